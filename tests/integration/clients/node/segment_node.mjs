// @segment/analytics-node, as its documents use it.
import { Analytics } from '@segment/analytics-node'
import { tell, who } from './acts.mjs'

await tell(async ({ url, key, options, acts }) => {
  const analytics = new Analytics({ writeKey: key, host: url, flushInterval: 100, ...options })
  analytics.on('error', (error) => {
    console.error(error)
    process.exitCode = 1
  })
  for (const act of acts) {
    switch (act.call) {
      case 'page':
        analytics.page({ ...who(act), name: act.name, properties: act.properties })
        break
      case 'track':
        analytics.track({ ...who(act), event: act.event, properties: act.properties })
        break
      case 'identify':
        analytics.identify({ ...who(act), traits: act.traits })
        break
      case 'alias':
        analytics.alias({ ...who(act), previousId: act.previous })
        break
    }
  }
  await analytics.flush({ close: true, timeout: 20_000 })
})
