/** Settings that say who may log in and how they prove it. Rule: nobody may by default. */
import { z } from 'zod'
import { about, choices, section, yesNo } from './setting.ts'

/**
 * A file name or the pair itself. An RDS secret holds more keys than these two (engine, host, ...);
 * they are ignored.
 */
export const secret = z
  .union([z.string().min(1), z.looseObject({ username: z.string().min(1), password: z.string() })])
  .register(about, {
    description: 'A file of secrets, or one secret.',
    example: 'secrets.json',
    type: 'file name or { username, password }',
    want: 'a file name such as secrets.json, or { username, password }',
    secret: true,
  })

export const auth = section(
  {
    secrets: z.array(secret).prefault([]).register(about, {
      description:
        'Users and passwords: names of JSON files, relative to this file, or entries written here. A file holds one { "username", "password" } or a list of them.',
      aws: 'Auth[].SecretArn; the same shape as an RDS secret',
      example: '[secrets.json]',
      type: 'list of file names or { username, password }',
      want: 'a list of file names or { username, password }, such as [secrets.json]',
      secret: true,
    }),
    methods: choices(['scram-sha-256', 'md5'], {
      description: 'How clients may prove their password, best first. md5 only when listed.',
      aws: 'ClientPasswordAuthType (default POSTGRES_SCRAM_SHA_256)',
      example: '[scram-sha-256]',
    }).prefault(['scram-sha-256']),
    trust: yesNo({
      description: 'Believe clients without a password. Only while listen.host is loopback.',
      example: 'true',
    }).prefault(false),
  },
  { description: 'Who may log in.', aws: 'UserAuthConfig', example: 'secrets: [secrets.json]' },
)
