/**
 * Settings of the doors: where endpoints listen and what comes in there. Rule: a default never opens
 * anything beyond this machine.
 */
import { count, countOr, oneOf, section, text, yesNo } from './setting.ts'
import { handOn, networks } from './setting-networks.ts'

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
    allow: networks({
      description:
        'Networks that clients may come from, to any endpoint; everybody else is refused with SQLSTATE 28000 before anything is read. Unix sockets are always of this machine and may come. Taken over by a reload, as deny is; who is connected stays.',
      aws: 'the inbound rules of the security group',
      example: '[127.0.0.0/8, 10.0.0.0/8]',
      otherwise: 'every network',
    }).optional(),
    deny: networks({
      description: 'Networks that clients may not come from, also where allow has them.',
      aws: 'network ACL, deny',
      example: '[10.9.0.0/16]',
      otherwise: 'none',
    }).optional(),
    proxyProtocol: oneOf(['off', 'required'], {
      description:
        'required: what comes from proxyTrusted begins with a header of the PROXY protocol (version 1 or 2), and the address it names is the address of the client wherever one counts. Everybody else is a client that comes directly; a header from there is junk.',
      aws: 'none; a network load balancer sends version 2',
      example: 'required',
    }).prefault('off'),
    proxyTrusted: networks({
      description: 'Networks of the load balancers that are believed; only with proxyProtocol.',
      example: '[10.0.0.10, 10.0.0.11]',
      otherwise: 'nobody',
    }).optional(),
    clientAddress: handOn({
      description:
        'Hands the address of each client on to Postgres. application-name: behind its name, as in "billing - 10.1.2.3". setting:NAME: as a session setting with a dot in its name, which current_setting reads; a client can change it like any other.',
      aws: 'none: Postgres sees the address of the proxy',
      example: 'setting:weir.client_address',
    }).prefault('off'),
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
