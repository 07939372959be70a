import { z } from 'zod';
import { hasCode } from '../../model/errors.ts';
import { networkId } from '../../model/ids.ts';
import { baseUrl, filePath, line, networkDomain, serverName } from '../formats.ts';
import { choice, setting } from '../setting.ts';

const prekeys = setting(
  z
    .strictObject({
      initial: setting(z.int().min(5).max(100).default(20), {
        description: 'How many one-time keys of each kind an account uploads at first.',
      }),
      max: setting(z.int().min(5).max(100).default(100), {
        description:
          'How many an account keeps there at most, once it has shown that it uses many. A Kyber key takes 5 KB here.',
      }),
      refill_below: setting(z.number().min(0.05).max(0.9).default(0.25), {
        description: 'New ones are uploaded when less than this share of the last stock is left.',
      }),
    })
    .prefault({}),
  {
    description:
      'One-time keys that let contacts begin a conversation while the bridge is away. With none left a conversation begins with a key ' +
      'that is used more than once, which protects its first message less.',
  },
);

const limits = setting(
  z
    .strictObject({
      account_messages: setting(z.int().min(100).max(1_000_000).default(10_000), {
        description: 'How many messages of all its contacts may wait for one account.',
      }),
      account_mb: setting(z.int().min(1).max(100_000).default(64), {
        description: 'How large they may be together.',
        unit: 'MiB',
      }),
      contact_messages: setting(z.int().min(100).max(1_000_000).default(5_000), {
        description:
          'How many messages of one contact may wait for one account. Where they wait for the person to accept a new key, what comes ' +
          'beyond is not taken, the person is told, and the contact sees it as not delivered.',
      }),
      contact_mb: setting(z.int().min(1).max(100_000).default(32), {
        description: 'How large they may be together.',
        unit: 'MiB',
      }),
    })
    .prefault({}),
  {
    description:
      'What may wait in the database to be brought into rooms, for instance while the homeserver is away. Above one of these nothing ' +
      'more is read for that account until half of it is dealt with: the gatekeeper’s server keeps it.',
  },
);

const network = z.strictObject({
  adapter: setting(
    choice({ interop: 'The interop profile, version 1 (docs/interop-profile.md).' }).default('interop'),
    {
      description: 'The dialect that the gatekeeper speaks.',
    },
  ),
  display_name: setting(line(100), {
    description: 'The network’s name in room names and notices.',
    sample: 'CHANGE-ME',
  }),
  api_url: setting(baseUrl('https'), {
    description: 'Base URL of the gatekeeper’s API for enlistment, lookups and reports.',
    sample: 'https://interop.gatekeeper.example.com',
  }),
  audience: setting(line(255), {
    description:
      'What the gatekeeper calls itself: `aud` of our proofs of identity, and `iss` of its pushes. The gatekeeper tells it in the agreement.',
    sample: 'https://interop.gatekeeper.example.com',
  }),
  domain: setting(networkDomain(), {
    description: 'XMPP domain of the network. The certificate of its server is checked against this name.',
    sample: 'gatekeeper.example.com',
  }),
  gatekeeper_jwks_url: setting(baseUrl('https'), {
    description: 'Where the gatekeeper publishes the keys that sign its pushes.',
    sample: 'https://interop.gatekeeper.example.com/jwks.json',
  }),
  ca_file: setting(filePath().optional(), {
    description:
      'PEM file with certificate authorities that are trusted for the XMPP server besides the usual ones. Left out: only the usual ones.',
    sample: 'gatekeeper-ca.pem',
    path: true,
  }),
  spki_pins: setting(
    z
      .array(z.string().regex(/^[A-Za-z0-9+/]{43}=$/, 'must be a SHA-256 in base64: 44 characters'))
      .max(16)
      .default([]),
    {
      description:
        'Public keys that the XMPP server may show: base64 of SHA-256 over the SubjectPublicKeyInfo (RFC 7469 §2.4). If any are named, ' +
        'a valid certificate with another key is refused, also after the gatekeeper changes its key. Empty: any valid certificate will do.',
    },
  ),
  hold: setting(
    choice(
      {
        always: 'The connection stays open from opting in to opting out; messages arrive at once.',
        'while-active':
          'The connection is closed some time after the person was last active; messages then wait with the gatekeeper.',
        'on-push': 'The connection is opened only after a push; messages may come late.',
      },
      {
        'while-active': 'Drawbridge does not yet follow whether a person is active; use always',
        'on-push': 'Drawbridge does not yet open a connection on a push; use always',
      },
    ).default('always'),
    { description: 'When an account’s XMPP connection is kept open.' },
  ),
  client_ip: setting(
    choice(
      {
        withhold: 'The gatekeeper sees the bridge’s address and never that of a person.',
        'forward-with-consent': 'The address of a person’s client is passed on if the person agreed.',
      },
      { 'forward-with-consent': 'Drawbridge does not ask people for this consent; use withhold' },
    ).default('withhold'),
    { description: 'Whether the gatekeeper learns the IP addresses of people on Matrix.' },
  ),
  regions: setting(
    z
      .array(z.string().max(64))
      .max(
        0,
        'is not carried out by this version: Drawbridge does not yet ask people where they live; leave it empty',
      )
      .default([]),
    {
      description:
        'Regions in which a person must live to opt in, such as `EEA`; people would have to attest it. Only the empty list is ' +
        'carried out: nobody is asked.',
    },
  ),
  homeservers: setting(z.array(serverName()).max(1000).default([]), {
    description:
      'Server names whose people your agreement with the gatekeeper covers; nobody else can opt in, whatever `bridge.permissions` says. ' +
      'If any are named, name your own as well. Empty: only people of `homeserver.domain`.',
  }),
  send_receipts: setting(z.boolean().default(true), {
    description:
      '`true`: a contact sees when a message is in the room on Matrix. `false`: contacts never learn it, and some apps show their ' +
      'messages as not delivered. It says nothing about whether someone has read it.',
  }),
  limits,
  prekeys,
  signed_prekey_rotation_days: setting(z.int().min(1).max(60).default(7), {
    description: 'How often the signed key and the last-resort key are replaced.',
    unit: 'days',
  }),
  signed_prekey_keep_days: setting(z.int().min(1).max(180).default(30), {
    description:
      'How long a replaced key is kept, for first messages that were encrypted to it. A message that comes later cannot be decrypted and ' +
      'is asked for again.',
    unit: 'days',
  }),
  connect_timeout_s: setting(z.int().min(5).max(300).default(30), {
    description:
      'How long an attempt to connect may take, login included, before it is dropped and tried anew.',
    unit: 'seconds',
  }),
  ping_interval_s: setting(z.int().min(5).max(600).default(60), {
    description:
      'How long a connection may be silent before the server is asked whether it is still there; without an answer within half of ' +
      'that time it is replaced. Shorter finds a dead line sooner, and sends more where many connections are quiet.',
    unit: 'seconds',
  }),
  keep_sent_hours: setting(z.int().min(1).max(168).default(24), {
    description:
      'How long a sent message is kept, sealed, for a contact whose app could not decrypt it and asks again. After that the contact’s ' +
      'question stays without an answer.',
    unit: 'hours',
  }),
  media_hosts: setting(
    z.array(baseUrl('https').refine(isOrigin, 'must be an origin, without a path')).max(64).default([]),
    {
      description:
        'Origins, such as `https://media.gatekeeper.example.com`, from which contacts’ files are fetched; redirects are followed among ' +
        'them only, and names that lead to addresses that are not public are refused. Empty: no file of a contact is fetched.',
    },
  ),
  media_token: setting(z.boolean().default(false), {
    description:
      '`true`: files hosted for people on this network are given out only to requests with a token that the gatekeeper has signed ' +
      '(docs/interop-profile.md §7). `false`: to everyone who knows the address, which is a secret, and encrypted in any case.',
  }),
  terms_version: setting(line(64).default('1'), {
    description: 'Version of the gatekeeper’s terms that your agreement names; sent with each enlistment.',
  }),
});

/** `networks`: the gatekeepers, by id. */
export const networksSection = setting(
  z
    .record(
      z.string().refine(isNetworkId, 'must be a network id: up to 32 lower-case letters, digits and -'),
      setting(network, { description: 'One gatekeeper’s network.' }),
    )
    .refine((networks) => Object.keys(networks).length > 0, 'must name at least one network'),
  {
    description:
      'The gatekeepers’ networks, each under an id of your choice: lower-case letters, digits and `-`. The id stands in the user ids of ' +
      'contacts and cannot be changed later. Several networks can stand side by side.',
    sample: 'gatekeeper',
  },
);

function isOrigin(text: string): boolean {
  return URL.parse(text)?.origin === text;
}

function isNetworkId(text: string): boolean {
  try {
    networkId(text);
    return true;
  } catch (failure) {
    if (hasCode(failure, 'model/badId')) return false;
    throw failure;
  }
}
