/**
 * The encryption boundary of a portal as one value, and every face of it: notice, topic, state event, the notice to the
 * contact. Nothing else in the project says where the encryption ends.
 */
import { createHash } from 'node:crypto';
import type { Texts } from './texts/texts.ts';

/** Who operates the bridge; from the configuration. */
export type Operator = Readonly<{ name: string; contact: string; mode: 'own-endpoint' | 'provider' }>;

/** What is true of one portal, or, before there is one, of every portal on a network. */
export type BoundaryFacts = Readonly<{
  /** Leg 1: whether the Matrix room is encrypted up to the bridge. */
  matrixEncrypted: boolean;
  operator: Operator;
  network: Readonly<{ id: string; name: string }>;
  /** Leg 2. `pqxdh+spqr`: PQXDH key agreement and the post-quantum ratchet. */
  suite: 'pqxdh+spqr';
  /** For how long a sent message is kept, sealed, while the contact's app has not confirmed it. Hours. */
  keptHours: number;
  /** For how long a message that failed is kept, sealed, so that it can be sent again. Hours. */
  keptFailedHours: number;
  /** For how long a file that was sent is hosted, encrypted. Days. */
  keptFileDays: number;
  /** Hexadecimal SHA-256 of our Signal identity key; absent before the opt-in. */
  ownFingerprint?: string;
  /** What the native chat has and this one has not, in words. */
  lost: readonly string[];
}>;

/** Stable over restarts and releases that change nothing of the facts. */
export function boundarySha256(facts: BoundaryFacts): string {
  const ordered = [
    facts.matrixEncrypted,
    facts.operator.name,
    facts.operator.contact,
    facts.operator.mode,
    facts.network.id,
    facts.network.name,
    facts.suite,
    facts.keptHours,
    facts.keptFailedHours,
    facts.keptFileDays,
    facts.ownFingerprint ?? '',
    ...facts.lost,
  ];
  return createHash('sha256').update(JSON.stringify(ordered)).digest('hex');
}

/** The facts in words, one sentence group a line: what `opt-in` shows, and the body of a portal's notice. */
export function boundaryLines(facts: BoundaryFacts, texts: Texts): string[] {
  const { operator, network } = facts;
  return [
    texts.say('boundary-matrix-leg', { encrypted: facts.matrixEncrypted ? 'yes' : 'no' }),
    texts.say('boundary-bridge', { mode: operator.mode, operator: operator.name }),
    texts.say('boundary-stored', { hours: facts.keptHours, failed: facts.keptFailedHours }),
    texts.say('boundary-files', { days: facts.keptFileDays }),
    texts.say('boundary-network-leg', { network: network.name, suite: 'PQXDH, post-quantum ratchet' }),
    texts.say('boundary-beyond', { network: network.name }),
    ...(facts.lost.length > 0
      ? [texts.say('boundary-lost', { network: network.name, lost: facts.lost.join(', ') })]
      : []),
    texts.say('boundary-contact', { contact: operator.contact }),
  ];
}

/** The first event of a portal. */
export function portalNotice(facts: BoundaryFacts, contactName: string, texts: Texts): string {
  const head = texts.say('portal-notice', { contact: contactName, network: facts.network.name });
  return [head, ...boundaryLines(facts, texts)].join('\n');
}

/** One line for the room's topic. */
export function portalTopic(facts: BoundaryFacts, texts: Texts): string {
  return texts.say('portal-topic', { network: facts.network.name, operator: facts.operator.name });
}

/** Content of the state event `org.drawbridge.e2ee_boundary` (docs/boundary.md). */
export function boundaryState(facts: BoundaryFacts): Record<string, unknown> {
  return {
    version: 1,
    matrix_leg: { encryption: facts.matrixEncrypted ? 'm.megolm.v1.aes-sha2' : 'none' },
    bridge: {
      plaintext: 'in-memory',
      at_rest: 'sealed-until-delivered',
      at_rest_hours: facts.keptHours,
      at_rest_failed_hours: facts.keptFailedHours,
      files_days: facts.keptFileDays,
      operator: facts.operator.name,
      contact: facts.operator.contact,
      mode: facts.operator.mode,
    },
    network_leg: {
      network: facts.network.id,
      protocol: 'signal',
      suite: facts.suite,
      ...(facts.ownFingerprint === undefined ? {} : { own_identity_sha256: facts.ownFingerprint }),
    },
    lost: [...facts.lost],
    facts_sha256: boundarySha256(facts),
  };
}
