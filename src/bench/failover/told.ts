/**
 * What one client was told of its own writes, number by number, to be held against the sequence
 * table afterwards. Rule: every number asked for ends in exactly one of the three lists.
 */
export class Told {
  readonly client: number
  /** How many rows one number writes: a transaction writes two. */
  readonly parts: number
  readonly acknowledged: number[] = []
  /** Refused with an error that says nothing happened. */
  readonly refused: number[] = []
  readonly unknown: number[] = []
  #last = 0

  constructor(client: number, parts: number) {
    this.client = client
    this.parts = parts
  }

  next(): number {
    return ++this.#last
  }
}
