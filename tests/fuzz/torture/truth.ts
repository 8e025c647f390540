/**
 * What must be true in the end: which rows are in the table and which notifications were sent, by what
 * each client was told. Rule: every number is settled once, as there, as not there, or as unknown; those
 * of a transaction whose fate is unknown are there together or not at all.
 */

export type Fate = 'there' | 'not there' | 'unknown'

/** What one transaction wrote so far, in order. */
export interface Work {
  numbers: number[]
  notices: string[]
  /** Part of it may have been taken back. */
  savepoints: boolean
}

export function newWork(): Work {
  return { numbers: [], notices: [], savepoints: false }
}

export class Truth {
  #fates = new Map<string, Fate>()
  #groups: string[][] = []
  /** Of each client, in the order of sending; `sure` when it was committed for certain. */
  readonly notified = new Map<number, { text: string; sure: boolean }[]>()

  settle(client: number, work: Work, fate: Fate): void {
    const ids = work.numbers.map((number) => `${client}.${number}`)
    for (const id of ids) {
      if (this.#fates.has(id)) throw new Error(`BUG: ${id} is settled twice`)
      this.#fates.set(id, fate)
    }
    if (fate === 'unknown' && ids.length > 1 && !work.savepoints) this.#groups.push(ids)
    if (fate === 'not there') return
    const sent = this.notified.get(client) ?? []
    this.notified.set(client, sent)
    for (const text of work.notices) sent.push({ text, sure: fate === 'there' })
  }

  knows(client: number, number: number): boolean {
    return this.#fates.has(`${client}.${number}`)
  }

  /** How many numbers have which fate. */
  count(): Record<Fate, number> {
    const count = { there: 0, 'not there': 0, unknown: 0 }
    for (const fate of this.#fates.values()) count[fate]++
    return count
  }

  /** @param rows what the table has: identities, and how often each */
  judge(rows: ReadonlyMap<string, number>): string[] {
    const wrong: string[] = []
    for (const [id, times] of rows) {
      const fate = this.#fates.get(id)
      if (times > 1) wrong.push(`${id} is there ${times} times`)
      if (fate === undefined) wrong.push(`${id} is there, and nobody wrote it`)
      if (fate === 'not there') wrong.push(`${id} is there, and its client was told it is not`)
    }
    for (const [id, fate] of this.#fates) {
      if (fate === 'there' && !rows.has(id)) wrong.push(`${id} was acknowledged and is not there`)
    }
    for (const group of this.#groups) {
      const there = group.filter((id) => rows.has(id))
      if (there.length > 0 && there.length < group.length) {
        wrong.push(`of one transaction only ${there} of ${group} is there`)
      }
    }
    return wrong
  }

  /** @param heard what one listener was told of one sender, in order */
  judgeHeard(listener: number, sender: number, heard: readonly string[]): string[] {
    const sent = this.notified.get(sender) ?? []
    let at = 0
    const missed: string[] = []
    for (const { text, sure } of sent) {
      if (heard[at] === text) at++
      else if (sure) missed.push(text)
    }
    const where = `client ${listener}, which listens to ${sender},`
    const wrong = missed.map((text) => `${where} was not told ${text}, or not in its place`)
    if (at < heard.length) wrong.push(`${where} was told ${heard[at]} once too often or too early`)
    return wrong
  }
}
