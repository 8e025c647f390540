// Put before the tests of postgres.js by `node --import`: their harness stops at the first failure,
// and a table needs every test. Rule: only the harness is replaced, by postgres-js-collector.js.
import { register } from 'node:module'

const collector = new URL('./postgres-js-collector.js', import.meta.url).href
const hook = `
export async function resolve(specifier, context, next) {
  if (specifier === './test.js' && context.parentURL.endsWith('/tests/index.js')) {
    return { url: ${JSON.stringify(collector)}, shortCircuit: true }
  }
  return next(specifier, context)
}`
register(`data:text/javascript,${encodeURIComponent(hook)}`)
