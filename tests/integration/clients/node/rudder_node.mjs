// @rudderstack/rudder-sdk-node, as its documents use it: without an error handler unless a test asks for one.
import RudderAnalytics from '@rudderstack/rudder-sdk-node'
import { tell, who } from './acts.mjs'

await tell(async ({ url, key, options, acts }) => {
  const { handlesErrors, ...settings } = options
  if (handlesErrors) settings.errorHandler = () => console.log('handled')
  const client = new RudderAnalytics(key, { dataPlaneUrl: url, flushInterval: 100, logLevel: 'none', ...settings })
  for (const act of acts) {
    switch (act.call) {
      case 'page':
        client.page({ ...who(act), name: act.name, properties: act.properties })
        break
      case 'track':
        client.track({ ...who(act), event: act.event, properties: act.properties })
        break
      case 'identify':
        client.identify({ ...who(act), traits: act.traits })
        break
      case 'alias':
        client.alias({ ...who(act), previousId: act.previous })
        break
    }
  }
  await client.flush()
})
