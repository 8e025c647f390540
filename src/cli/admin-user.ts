/**
 * `weir admin-user`: an entry for `admin.users`. Rule: the password is read from the terminal or from
 * WEIR_ADMIN_PASSWORD and only its verifier is printed; a token is made here and shown once.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { type Command, Option } from 'commander'
import { passwordLine } from '../admin/password.ts'
import { WeirError } from '../core/errors.ts'

interface Flags {
  readonly role: 'view' | 'operate'
  readonly token?: boolean
}

const SHORTEST_PASSWORD = 8

export function registerAdminUser(program: Command): void {
  program
    .command('admin-user')
    .description('print an entry for admin.users: a verifier of a password, or a new token')
    .argument('<name>', 'name of the user')
    .addOption(
      new Option('--role <role>', 'view: sees everything; operate: also gives orders')
        .choices(['view', 'operate'])
        .default('view'),
    )
    .option('--token', 'make a bearer token, for programs, instead of asking for a password')
    .addHelpText(
      'after',
      `
Examples:
  weir admin-user alice --role operate      asks for the password
  weir admin-user prometheus --token`,
    )
    .action(async (name: string, flags: Flags) => {
      if (name === '' || name.includes(':')) {
        throw new WeirError('WEIR_BAD_ORDER', 'a name has at least one character and no colon')
      }
      const entry = flags.token === true ? tokenEntry() : await passwordEntry()
      const quoted = { name: JSON.stringify(name), entry: JSON.stringify(entry.value) }
      process.stdout.write(
        `- { name: ${quoted.name}, role: ${flags.role}, ${entry.key}: ${quoted.entry} }\n`,
      )
    })
}

async function passwordEntry(): Promise<{ key: string; value: string }> {
  const password = process.env.WEIR_ADMIN_PASSWORD ?? (await askedFor('password: '))
  if (password.length < SHORTEST_PASSWORD) {
    const message = `a password has at least ${SHORTEST_PASSWORD} characters`
    throw new WeirError('WEIR_BAD_ORDER', message, {
      hint: 'Type it at the terminal, or put it into WEIR_ADMIN_PASSWORD.',
    })
  }
  return { key: 'password', value: await passwordLine(password) }
}

function tokenEntry(): { key: string; value: string } {
  const token = randomBytes(32).toString('base64url')
  process.stderr.write(`token, shown only now: ${token}\n`)
  return { key: 'tokenHash', value: `sha256:${createHash('sha256').update(token).digest('hex')}` }
}

/** A line from standard input, not shown while it is typed. */
function askedFor(question: string): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = process.stdin.isTTY === true
  if (terminal) process.stderr.write(question)
  const lines = createInterface({ input: process.stdin, output: silent, terminal })
  return new Promise((resolve) => {
    lines.once('line', (line) => {
      resolve(line)
      lines.close()
      if (terminal) process.stderr.write('\n')
    })
    lines.once('close', () => resolve(''))
  })
}
