/**
 * Settings of the doors: where endpoints listen and what comes in there. Rule: a default never opens
 * anything beyond this machine.
 */
import { count, countOr, section, text, yesNo } from './setting.ts'

export const listen = section(
  {
    host: text('an address of this machine', {
      description: 'Address the endpoints listen on. Anything but loopback needs allowPublic.',
      example: '127.0.0.1',
    }).prefault('127.0.0.1'),
    allowPublic: yesNo({
      description: 'Allow listen.host to be an address that other machines can reach.',
      aws: 'never public, always inside the VPC',
      example: 'true',
    }).prefault(false),
    backlog: count(
      { min: 1, max: 65_535, unit: 'connections' },
      {
        description:
          'Connections the kernel may hold before Weir accepts them; the kernel has a bound of its own (net.core.somaxconn), and who is dropped there comes again a second later.',
        example: '1024',
      },
    ).prefault(4096),
    busyPoll: countOr(
      ['off'],
      { min: 1, max: 1_000, unit: 'µs' },
      {
        description:
          'While a single client is at work, look for its next request, and for the answer, for so long before sleeping. Its statements take about a sixth less time (60 to 120), and Weir a whole processor for as long. Needs two processors or more to spare.',
        aws: 'none',
        example: '100',
      },
    ).prefault('off'),
    portOffset: count(
      { min: 0, max: 60_000 },
      {
        description: 'Added to the port of every endpoint and of admin; for a second Weir.',
        example: '100',
      },
    ).prefault(0),
  },
  { description: 'Where the endpoints listen.', example: 'host: 127.0.0.1' },
)
