// What a driver is handed on its standard input: where to send, with which key, and the acts, group by group.
// Each group is sent by a client of its own, all of them at once.

export async function tell(sendGroup) {
  let text = ''
  for await (const chunk of process.stdin) text += chunk
  const { url, key, options, groups } = JSON.parse(text)
  await Promise.all(groups.map((acts) => sendGroup({ url, key, options, acts })))
}

export function who(act) {
  return { userId: act.user, anonymousId: act.anonymous, timestamp: new Date(act.at) }
}
