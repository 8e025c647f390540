/**
 * Settings laid over the configuration of every Weir that the tests start, so that whole suites run with
 * another one: `WEIR_TEST_SET='pool.sharing=on pool.rotate=true' npm test`. Rule: without that variable
 * nothing is laid over anything.
 */

/** `name=value` each, for `loadSettings` or `--set`. */
export function testOverrides(): string[] {
  return (process.env.WEIR_TEST_SET ?? '').split(/\s+/).filter((text) => text !== '')
}
