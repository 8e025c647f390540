/** Settings of the audit log. Rule: it holds no secret, and of statements only what is asked for. */
import { choices, count, oneOf, section, size, text, yesNo } from './setting.ts'

const MEBI = 1_048_576

export const audit = section(
  {
    to: oneOf(['off', 'file', 'stdout'], {
      description: 'Where one line of JSON goes for each event below.',
      aws: 'CloudTrail, and the logs of the proxy in CloudWatch',
      example: 'file',
    }).prefault('off'),
    file: text('the name of a file', {
      description: 'The file, relative to this file; its directory must be there. Mode 0640.',
      example: '/var/log/weir/audit.log',
    }).prefault('audit.log'),
    events: choices(['login', 'logout', 'pin', 'cancel', 'command', 'change'], {
      description:
        'What is written: logins accepted and refused, ends of sessions, pins, cancel requests, orders to admin, and changes of settings, secrets and certificates.',
      example: '[login, command, change]',
    }).prefault(['login', 'logout', 'pin', 'cancel', 'command', 'change']),
    statements: oneOf(['off', 'digest', 'text'], {
      description:
        'What a line about a pin tells of its statement: nothing, a hash, or its text without values.',
      example: 'digest',
    }).prefault('off'),
    rotateSize: size(
      { min: 65_536, max: 1_024 * MEBI },
      { description: 'The file is put aside when it is so large.', example: '64MiB' },
    ).prefault('64MiB'),
    rotateInterval: oneOf(['never', 'hourly', 'daily', 'weekly'], {
      description: 'And so often, however small it is.',
      example: 'daily',
    }).prefault('never'),
    keep: count(
      { min: 1, max: 1_000 },
      {
        description: 'Files that were put aside and are kept: audit.log.1 is the newest.',
        example: '14',
      },
    ).prefault(14),
    required: yesNo({
      description:
        'Nobody may log in, and no order is taken, while the audit log cannot be written (a full disk).',
      example: 'true',
    }).prefault(false),
  },
  { description: 'A record of who came in and who changed what.', example: '{ to: file }' },
)
