/**
 * Whose NOTIFY a server process is about to send: a client looks for the number it was given at its
 * login, the server names the process that served it. Rule: the newest client that sent a NOTIFY over
 * a server connection counts as the sender of what comes from there.
 *
 * Two clients that notify over one server connection within the time a notification takes may thus
 * both be named as the later one. Whoever notifies past Weir keeps the number the server gives, which
 * may by chance be that of a client here; so does a client whose NOTIFY nobody could see (in a
 * trigger or a function), unless it or another has sent a visible one over that connection before.
 */
const MOST = 16_384

export class Notifiers {
  #byProcess = new Map<string, number>()

  /** The client `pid` sends a NOTIFY through process `backend` of `node`. */
  note(node: string, backend: number, pid: number): void {
    const key = `${node}/${backend}`
    this.#byProcess.delete(key)
    if (this.#byProcess.size >= MOST) {
      const oldest = this.#byProcess.keys().next()
      if (!oldest.done) this.#byProcess.delete(oldest.value)
    }
    this.#byProcess.set(key, pid)
  }

  /** Who sent what comes from there; undefined when nobody is known to have. */
  of(node: string, backend: number): number | undefined {
    return this.#byProcess.get(`${node}/${backend}`)
  }
}
