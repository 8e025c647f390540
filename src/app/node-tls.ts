/**
 * TLS towards the nodes as the settings want it: what stands at a node, else what stands for all. Rule:
 * files are read when a handshake needs them and have changed since, so that what was replaced holds
 * for the next connection, and a file that cannot be read fails that one alone, by its name.
 */
import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { type ConnectionOptions, createSecureContext, type SecureContext } from 'node:tls'
import type { Settings } from '../config/settings.ts'
import { messageOf } from '../core/errors.ts'
import type { NodeTls } from '../server/node-tls.ts'

interface Files {
  readonly ca: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
  readonly crl: string | undefined
}

/** Gives the same object for the same node and host again. */
export class NodeTlsBook {
  #settings: Settings
  #terms = new Map<string, NodeTls>()
  #contexts = new ContextBook()

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** @param host where it is reached, and so the name that verify-full looks for */
  of({ name, host }: { readonly name: string; readonly host: string }): NodeTls {
    const id = `${name} ${host}`
    const known = this.#terms.get(id)
    if (known !== undefined) return known
    const terms = this.#make(name, host)
    this.#terms.set(id, terms)
    return terms
  }

  #make(name: string, host: string): NodeTls {
    const { tls, nodes } = this.#settings
    const own = nodes.find((node) => node.name === name)?.tls ?? {}
    const ownPair = own.certFile !== undefined
    const files: Files = {
      ca: own.caFile ?? tls.nodesCaFile,
      cert: ownPair ? own.certFile : tls.nodesCertFile,
      key: ownPair ? own.keyFile : tls.nodesKeyFile,
      crl: own.crlFile ?? tls.nodesCrlFile,
    }
    const mode = own.mode ?? tls.nodes
    // As in libpq: whoever names authorities means them.
    const verifies = mode.startsWith('verify') || (mode === 'require' && files.ca !== undefined)
    const serverName = own.serverName ?? host
    return {
      mode,
      direct: (own.negotiation ?? tls.nodesNegotiation) === 'direct',
      channelBinding: own.channelBinding ?? tls.nodesChannelBinding,
      options: () => ({
        secureContext: this.#contexts.of(files, verifies),
        rejectUnauthorized: verifies,
        // Said in the handshake as libpq does, so that who stands before the node can tell them apart.
        ...(isIP(serverName) === 0 ? { servername: serverName } : { host: serverName }),
        ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
      }),
    }
  }
}

/** Contexts by what they were made of, and how that looked then. */
class ContextBook {
  #made = new Map<string, { readonly look: string; readonly context: SecureContext }>()

  /** @throws Error that names the file */
  of(files: Files, verifies: boolean): SecureContext {
    const used: Files = verifies ? files : { ...files, ca: undefined, crl: undefined }
    const id = JSON.stringify(used)
    const look = JSON.stringify(Object.values(used).map(lookOf))
    const known = this.#made.get(id)
    if (known?.look === look) return known.context
    const context = contextOf(used)
    this.#made.set(id, { look, context })
    return context
  }
}

function contextOf({ ca, cert, key, crl }: Files): SecureContext {
  const options: ConnectionOptions = {
    ...(ca === undefined ? {} : { ca: readFileSync(ca) }),
    ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
    ...(key === undefined ? {} : { key: readFileSync(key) }),
    ...(crl === undefined ? {} : { crl: readFileSync(crl) }),
  }
  try {
    return createSecureContext(options)
  } catch (error) {
    const names = [ca, cert, key, crl].filter((name) => name !== undefined).join(', ')
    throw new Error(`no use can be made of ${names}: ${messageOf(error)}`, { cause: error })
  }
}

/** Changes when the file does; throws what the system says when there is none. */
function lookOf(file: string | undefined): string {
  if (file === undefined) return ''
  const { ino, size, mtimeMs } = statSync(file)
  return `${ino} ${size} ${mtimeMs}`
}
