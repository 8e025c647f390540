/** Settings of what is seen from outside: admin and log. Rule: only this machine sees it by default. */
import { count, oneOf, section, text, yesNo } from './setting.ts'

const port = { min: 1, max: 65_535 }

export const admin = section(
  {
    enabled: yesNo({
      description: 'Serve /metrics, /status, /healthz and /readyz over HTTP.',
      example: 'true',
    }).prefault(true),
    host: text('an address of this machine', {
      description: 'Address admin listens on. Anything but loopback needs allowPublic.',
      example: '127.0.0.1',
    }).prefault('127.0.0.1'),
    allowPublic: yesNo({
      description: 'Allow admin.host to be an address that other machines can reach.',
      example: 'true',
    }).prefault(false),
    port: count(port, { description: 'TCP port of admin.', example: '6480' }).prefault(6480),
  },
  {
    description: 'The HTTP side for people and monitoring.',
    aws: 'CloudWatch and DescribeDBProxyTargets',
    example: 'port: 6480',
  },
)

export const log = section(
  {
    level: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
      description: 'The least important thing that is written.',
      aws: 'DebugLogging (debug when true)',
      example: 'info',
    }).prefault('info'),
    format: oneOf(['auto', 'pretty', 'json'], {
      description: 'auto: pretty on a terminal, JSON otherwise.',
      example: 'json',
    }).prefault('auto'),
  },
  { description: 'What Weir says of itself.', example: 'level: info' },
)
