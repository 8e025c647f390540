/**
 * The admin port with its users and its certificate, as their files have them. Rule: a file that has
 * become wrong changes nothing; what it held before goes on, and the log says so.
 */
import { readFile } from 'node:fs/promises'
import { type Admin, type AdminOptions, startAdmin } from '../admin/http.ts'
import type { AdminTls } from '../admin/server.ts'
import { type AdminUser, AdminUsers } from '../admin/users.ts'
import type { AdminSettings } from '../config/settings-admin.ts'
import type { Audit } from '../core/audit.ts'
import type { Clock } from '../core/clock.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import { type FileWatch, watchFiles } from '../core/file-watch.ts'
import type { Log } from '../core/log.ts'
import type { GeneralCounters } from '../metrics/counters.ts'

export interface AdminDoorParts {
  readonly settings: AdminSettings
  readonly clock: Clock
  readonly log: Log
  readonly audit: Audit
  readonly counters: GeneralCounters
  readonly shown: Pick<AdminOptions, 'snapshot' | 'clients' | 'metrics' | 'ready' | 'commands'>
}

export class AdminDoor {
  #parts: AdminDoorParts
  #settings: AdminSettings
  #users: AdminUsers
  #admin: Admin | undefined
  #watch: FileWatch | undefined

  constructor(parts: AdminDoorParts) {
    this.#parts = parts
    this.#settings = parts.settings
    this.#users = new AdminUsers([], () => parts.clock.monotonic())
  }

  get admin(): Admin | undefined {
    return this.#admin
  }

  /** @throws WeirError, naming the file or the setting */
  async open(): Promise<void> {
    const { log, audit, counters, shown } = this.#parts
    const { host, port, names, open, tls } = this.#settings
    this.#users.replace(await usersOf(this.#settings))
    this.#admin = await startAdmin({
      ...{ host, port, log, audit, users: this.#users },
      ...(names === undefined ? {} : { names }),
      ...(open === undefined ? {} : { open }),
      tls: tls === undefined ? undefined : await certificateOf(tls),
      refused: (reason) => counters.adminRefused.add(reason),
      ...shown,
    })
    await this.#watchFiles()
  }

  /**
   * Takes over other users.
   * @throws WeirError `WEIR_ADMIN_USERS`; then nothing has changed
   */
  async renew(settings: AdminSettings): Promise<void> {
    if (this.#admin === undefined) return
    this.#users.replace(await usersOf(settings))
    this.#settings = { ...this.#settings, users: settings.users }
    await this.#watchFiles()
  }

  async close(): Promise<void> {
    this.#watch?.stop()
    await this.#admin?.close()
  }

  async #watchFiles(): Promise<void> {
    this.#watch?.stop()
    const { users = [], tls } = this.#settings
    const files = users.flatMap(({ passwordFile, tokenFile }) => [passwordFile, tokenFile])
    files.push(tls?.certFile, tls?.keyFile)
    const named = files.filter((file) => file !== undefined)
    if (named.length === 0) return
    const { clock } = this.#parts
    const changed = (which: readonly string[]): void => void this.#changed(which)
    this.#watch = await watchFiles({ files: named, clock, changed })
  }

  async #changed(files: readonly string[]): Promise<void> {
    const settings = this.#settings
    const { tls } = settings
    const ofTls = files.filter((file) => file === tls?.certFile || file === tls?.keyFile)
    const ofUsers = files.filter((file) => !ofTls.includes(file))
    if (tls !== undefined && ofTls.length > 0) {
      await this.#take('certificate', ofTls, async () => {
        this.#admin?.renewTls(await certificateOf(tls))
      })
    }
    if (ofUsers.length === 0) return
    await this.#take('secrets', ofUsers, async () => {
      const users = await usersOf(settings)
      // A reload meanwhile may have taken some of them away, and has read all that are left.
      if (this.#settings === settings) this.#users.replace(users)
    })
  }

  async #take(
    what: 'certificate' | 'secrets',
    files: readonly string[],
    work: () => Promise<void>,
  ): Promise<void> {
    const { log, audit } = this.#parts
    const detail = `of the admin port: ${files.join(', ')}`
    try {
      await work()
      log.info({ files }, `read anew for the admin port: ${files.join(', ')}`)
      audit.tell({ kind: 'change', what, outcome: 'done', detail })
    } catch (error) {
      // Certificate and key are two files: the other one may be on its way.
      for (const file of files) this.#watch?.forget(file)
      const message = `the admin port goes on with what it had: ${messageOf(error)}`
      log.warn({ files }, message)
      audit.tell({ kind: 'change', what, outcome: 'failed', detail })
    }
  }
}

async function certificateOf(tls: NonNullable<AdminSettings['tls']>): Promise<AdminTls> {
  return { cert: await contentOf(tls.certFile), key: await contentOf(tls.keyFile) }
}

async function usersOf({ users = [] }: AdminSettings): Promise<AdminUser[]> {
  return Promise.all(
    users.map(async ({ name, role, password, passwordFile, tokenHash, tokenFile }) => ({
      ...{ name, role },
      password: passwordFile === undefined ? password : (await contentOf(passwordFile)).trim(),
      token: tokenFile === undefined ? tokenHash : (await contentOf(tokenFile)).trim(),
    })),
  )
}

async function contentOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new WeirError('WEIR_ADMIN_USERS', `${file} cannot be read: ${messageOf(error)}`, {
      cause: error,
    })
  }
}
