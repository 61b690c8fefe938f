// posthog-node, as its documents use it: who nobody knows yet is captured without a person profile.
import { PostHog } from 'posthog-node'
import { tell } from './acts.mjs'

await tell(async ({ url, key, options, acts }) => {
  const client = new PostHog(key, { host: url, flushInterval: 100, ...options })
  client.on('error', (error) => {
    console.error(error)
    process.exitCode = 1
  })
  for (const act of acts) {
    const capture = (event, properties) =>
      client.capture({
        distinctId: act.user ?? act.anonymous,
        event,
        properties: act.user ? properties : { ...properties, $process_person_profile: false },
        timestamp: new Date(act.at),
      })
    switch (act.call) {
      case 'page':
        capture('$pageview', { $title: act.name, $pathname: act.properties.path })
        break
      case 'track':
        capture(act.event, act.properties)
        break
      case 'identify':
        client.identify({
          distinctId: act.user,
          properties: { $set: act.traits, $anon_distinct_id: act.anonymous },
        })
        break
      case 'alias':
        client.alias({ distinctId: act.user, alias: act.previous })
        break
    }
  }
  await client.shutdown(20_000)
})
