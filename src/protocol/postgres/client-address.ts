/**
 * Hands a client's address on to Postgres among its startup settings, for those who look there who is
 * connected. Rule: what the client itself gives under the name of the setting is replaced, and of a long
 * application name the end is cut rather than the address (Postgres keeps 63 bytes).
 */

/** `off`, `application-name`, or `setting:` and its name. */
export type HandOn = string

const SETTING = 'setting:'
const APPLICATION_NAME = 'application_name'
/** NAMEDATALEN - 1, guc.c. */
const MOST_BYTES = 63

/**
 * Adds to `settings`, names in lower case.
 * @param address undefined: it came over a Unix socket, which is said as `local`
 */
export function handOnAddress(
  way: HandOn,
  settings: Map<string, string>,
  address: string | undefined,
): void {
  const said = address ?? 'local'
  if (way.startsWith(SETTING)) settings.set(way.slice(SETTING.length), said)
  if (way !== 'application-name') return
  const behind = ` - ${said}`
  const name = cut(settings.get(APPLICATION_NAME) ?? '', MOST_BYTES - behind.length)
  settings.set(APPLICATION_NAME, name === '' ? said : name + behind)
}

/** The beginning of `text` that takes at most `bytes` in UTF-8, with no character halved. */
function cut(text: string, bytes: number): string {
  const characters = [...text]
  while (Buffer.byteLength(characters.join('')) > bytes) characters.pop()
  return characters.join('')
}
