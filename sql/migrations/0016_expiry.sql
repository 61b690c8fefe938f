-- Links by when they were seen last: of namespaces with a lifetime those that are over are looked for.
CREATE INDEX link_last_at ON projection.link (controller_id, last_at);
