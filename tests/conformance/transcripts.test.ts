import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { play } from '../support/four-arrows.ts'

const directory = new URL('.', import.meta.url)
const names = readdirSync(directory).filter((name) => name.endsWith('.transcript'))
/** `UPDATE_TRANSCRIPTS=1` writes what Weir does now; the difference in the files is the review. */
const update = process.env.UPDATE_TRANSCRIPTS === '1'

describe('what Weir sends for what it is sent', () => {
  it.each(names)('%s', async (name) => {
    const file = new URL(name, directory)
    const written = readFileSync(file, 'utf8')
    const played = await play(written)
    if (update) writeFileSync(file, played)
    else expect(played).toBe(written)
  })

  it('has a scenario for every state there is', () => {
    expect(names.length).toBeGreaterThanOrEqual(40)
  })
})
