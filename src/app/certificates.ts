/**
 * The certificates shown to clients and the authorities their own are verified against. Files are
 * watched, and what has changed is taken over without a restart. Rule: a certificate is shown only when
 * it could be read and its key fits; until then the one before it is, and the log says which file is at
 * fault. Sessions that are open live on.
 */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { serverEndPoint } from '../auth/tls-end-point.ts'
import type { Settings } from '../config/settings.ts'
import { type Audit, noAudit } from '../core/audit.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import { type FileWatch, watchFiles } from '../core/file-watch.ts'
import type { Log } from '../core/log.ts'
import { type Shown, serverContext, type TlsOffer } from '../net/tls-accept.ts'

type TlsSettings = Settings['tls']

export interface CertificatesOptions {
  readonly tls: TlsSettings
  readonly clock: Clock
  readonly log: Log
  readonly audit?: Audit
  /** How often files are looked at without a sign (ms). */
  readonly lookMs?: number
}

/** A certificate as the settings name it. */
interface Named {
  /** Lower case; a leading `*.` stands for one label. Of the default: none. */
  readonly serverNames: readonly string[]
  readonly certFile: string
  readonly keyFile: string
}

interface Loaded extends Named, Shown {
  /** When its first certificate ends, and how the names in it go on (ms since 1970). */
  readonly expires: number
}

/** When the certificate of a file ends (ms since 1970). */
export interface Expiry {
  readonly file: string
  readonly at: number
}

const DAY_MS = 86_400_000
/** Time enough to get another. */
const WARN_DAYS = 30
/** Certificate and key are two files: whoever replaces them needs a moment in between. */
const TORN_MS = 1_000

export class Certificates {
  #options: CertificatesOptions
  #tls: TlsSettings
  #loaded: readonly Loaded[]
  #watch: FileWatch | undefined
  #tornTimer: Timer | undefined
  #daily: Timer | undefined
  #torn = false
  #reloading: Promise<void> = Promise.resolve()
  /** What is wrong with the files now, as it was logged. */
  #fault: string | undefined
  readonly offer: TlsOffer

  private constructor(options: CertificatesOptions, loaded: readonly Loaded[]) {
    this.#options = options
    this.#tls = options.tls
    this.#loaded = loaded
    const certificates = this
    this.offer = {
      choose: (name) => chosen(certificates.#loaded, name),
      get asksCertificate() {
        return certificates.#tls.clientCertificates !== 'off'
      },
    }
  }

  /**
   * Reads all files and begins to watch them. Resolves to undefined when TLS is off.
   * @throws WeirError `WEIR_CERTIFICATE`, naming the files
   */
  static async open(options: CertificatesOptions): Promise<Certificates | undefined> {
    if (options.tls.mode === 'off' || options.tls.certFile === undefined) return undefined
    const certificates = new Certificates(options, await loadAll(options.tls))
    await certificates.#begin()
    return certificates
  }

  /** When each certificate that is shown now ends. */
  get expiries(): readonly Expiry[] {
    return this.#loaded.map(({ certFile, expires }) => ({ file: certFile, at: expires }))
  }

  /**
   * Takes over other files, or the same anew; never none where there was one.
   * @throws WeirError `WEIR_CERTIFICATE`; then all is as it was
   */
  async renew(settings: TlsSettings): Promise<void> {
    if (settings.mode === 'off' || settings.certFile === undefined) return
    this.#loaded = await loadAll(settings)
    this.#tls = settings
    this.#watch?.stop()
    this.#daily?.cancel()
    this.#fault = undefined
    await this.#begin()
  }

  stop(): void {
    this.#watch?.stop()
    this.#tornTimer?.cancel()
    this.#daily?.cancel()
  }

  async #begin(): Promise<void> {
    const { clock, lookMs = 10_000 } = this.#options
    this.#watch = await watchFiles({
      files: filesOf(this.#tls),
      clock,
      lookMs,
      // One after the other: the last to look at the files is the last to be shown.
      changed: () => {
        this.#reloading = this.#reloading.then(() => this.#reload())
      },
    })
    this.#warnOfExpiry()
  }

  async #reload(): Promise<void> {
    const { log, audit = noAudit, clock } = this.#options
    const settings = this.#tls
    try {
      const loaded = await loadAll(settings)
      if (this.#tls !== settings) return
      this.#loaded = loaded
      this.#torn = false
      this.#fault = undefined
      const files = loaded.map(({ certFile }) => certFile).join(', ')
      log.info({ files }, `certificates of clients' TLS read anew: ${files}`)
      audit.tell({ kind: 'change', what: 'certificate', outcome: 'done', detail: files })
      this.#warnOfExpiry()
    } catch (error) {
      const fault = messageOf(error)
      for (const file of filesOf(settings)) this.#watch?.forget(file)
      if (!this.#torn) {
        this.#torn = true
        this.#tornTimer = clock.after(TORN_MS, () => void this.#watch?.look())
        return
      }
      if (this.#fault === fault) return
      this.#fault = fault
      log.warn({}, `${fault}; the certificate before it goes on being shown`)
      audit.tell({ kind: 'change', what: 'certificate', outcome: 'failed', detail: fault })
    }
  }

  #warnOfExpiry(): void {
    const { clock, log } = this.#options
    this.#daily?.cancel()
    this.#daily = clock.after(DAY_MS, () => this.#warnOfExpiry())
    for (const { file, at } of this.expiries) {
      const days = Math.floor((at - clock.wall()) / DAY_MS)
      const day = new Date(at).toISOString().slice(0, 10)
      if (days < 0) log.warn({ file }, `certificate ${file} has ended on ${day}`)
      else if (days < WARN_DAYS)
        log.warn({ file }, `certificate ${file} ends on ${day} (${days} days)`)
    }
  }
}

function filesOf({ certFile, keyFile, clientCaFile, clientCrlFile, certificates }: TlsSettings) {
  const pairs = certificates.flatMap((pair) => [pair.certFile, pair.keyFile])
  const all = [certFile, keyFile, clientCaFile, clientCrlFile, ...pairs]
  return all.filter((file) => file !== undefined)
}

/** Those that name the server, best first: its own, a wildcard's, the default. */
function chosen(loaded: readonly Loaded[], name: string | undefined): Shown {
  const [standard] = loaded
  if (name === undefined) return standard!
  const dot = name.indexOf('.')
  const wildcard = dot < 0 ? undefined : `*${name.slice(dot)}`
  const own = loaded.find(({ serverNames }) => serverNames.includes(name))
  if (own !== undefined || wildcard === undefined) return own ?? standard!
  return loaded.find(({ serverNames }) => serverNames.includes(wildcard)) ?? standard!
}

async function loadAll(settings: TlsSettings): Promise<readonly Loaded[]> {
  const { certFile, keyFile, clientCaFile, clientCrlFile, certificates } = settings
  const trust = {
    ...(clientCaFile === undefined ? {} : { ca: await read(clientCaFile) }),
    ...(clientCrlFile === undefined ? {} : { crl: await read(clientCrlFile) }),
  }
  const standard = { serverNames: [], certFile: certFile!, keyFile: keyFile! }
  const named: Named[] = certificates.map((pair) => ({
    ...pair,
    serverNames: pair.serverNames.map((name) => name.toLowerCase()),
  }))
  return Promise.all([standard, ...named].map((pair) => load(pair, settings, trust)))
}

async function load(
  pair: Named,
  { minVersion, clientCaFile, clientCrlFile }: TlsSettings,
  trust: { readonly ca?: Buffer; readonly crl?: Buffer },
): Promise<Loaded> {
  const { certFile, keyFile } = pair
  const [cert, key] = await Promise.all([read(certFile), read(keyFile)])
  try {
    const first = new X509Certificate(cert)
    // OpenSSL takes a file without a certificate for a list of nobody; this does not.
    if (trust.ca !== undefined) new X509Certificate(trust.ca)
    const context = serverContext({ cert, key, ...trust, minVersion })
    const expires = Date.parse(first.validTo)
    return { ...pair, context, serverEndPoint: serverEndPoint(first.raw), expires }
  } catch (error) {
    const beside = [clientCaFile, clientCrlFile].filter((file) => file !== undefined)
    const files = [certFile, keyFile, ...beside].join(', ')
    throw unusable(files, error)
  }
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    throw unusable(file, error)
  }
}

function unusable(files: string, error: unknown): WeirError {
  return new WeirError(
    'WEIR_CERTIFICATE',
    `cannot use ${files}: ${messageOf(error).replace(/^error:[0-9A-F]+:/, '')}`,
    {
      hint: 'tls.certFile and tls.keyFile are PEM files of a certificate chain and of the key that fits its first certificate.',
      cause: error,
    },
  )
}
