/**
 * Words of SQL that name nothing unless quoted, so a text that uses one as a name has to fail as it
 * stands. Rule: the reserved words of PostgreSQL (src/include/parser/kwlist.h, RESERVED_KEYWORD and
 * TYPE_FUNC_NAME_KEYWORD); one too few costs an error message, one too many nothing but following.
 */
const RESERVED: ReadonlySet<string> = new Set(
  `all analyse analyze and any array as asc asymmetric authorization binary both case cast check
  collate collation column concurrently constraint create cross current_catalog current_date
  current_role current_schema current_time current_timestamp current_user default deferrable desc
  distinct do else end except false fetch for foreign freeze from full grant group having ilike in
  initially inner intersect into is isnull join lateral leading left like limit localtime
  localtimestamp natural not notnull null offset on only or order outer overlaps placing primary
  references returning right select session_user similar some symmetric system_user table
  tablesample then to trailing true union unique user using variadic verbose when where window
  with`.split(/\s+/),
)

/** Whether the name in `text[start, end)`, which spells `name`, can be one. */
export function canName(
  text: Buffer,
  { start, name }: { readonly start: number; readonly name: string | undefined },
): boolean {
  if (name === undefined) return true
  if (name === '') return false
  const quoted = text[start] === 0x22 || text[start + 2] === 0x22
  return quoted || !RESERVED.has(name)
}
