/**
 * A batch that binds a statement prepared long ago may be told that the statement is gone, or that
 * its tables have changed under it; nothing has happened then, and the batch can be played again.
 * Rule: only outside a transaction, only when that Bind came first and nothing behind the batch was
 * sent, only once, and only what was kept (see `kept-request.ts`).
 */

/** Of one server connection. */
export class SecondTry {
  /** The batch at hand may become one. */
  #begun = false
  /** The batch is kept and its Bind has not been answered. */
  armed = false
  /** The error that the client is told if there is no second try. */
  held: Buffer | undefined
  /** The batch is to be played again now. */
  due = false
  /** It is being played again, up to its Sync. */
  #again = false

  /** A Bind of a named statement is the first message of its batch. */
  begins(): void {
    this.armed = false
    this.#begun = !this.#again
  }

  /** Its Sync is at hand; `kept`: so is all of it. */
  ends(kept: boolean): void {
    this.#again = false
    this.armed = this.#begun && kept
    this.#begun = false
  }

  /** It is played again now. */
  plays(): void {
    this.due = false
    this.#again = true
  }

  /** The Bind was accepted, or nobody is there any more. */
  reset(): void {
    this.armed = false
    this.#begun = false
    this.held = undefined
    this.due = false
    this.#again = false
  }
}
