import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type BoundaryFacts,
  boundaryLines,
  boundarySha256,
  boundaryState,
  portalNotice,
  portalTopic,
} from '../../../src/bridge/boundary.ts';
import { Texts } from '../../../src/bridge/texts/texts.ts';

const FACTS: BoundaryFacts = {
  matrixEncrypted: false,
  operator: { name: 'Example Org', contact: 'mailto:admin@example.org', mode: 'provider' },
  network: { id: 'gk', name: 'Gatekeeper' },
  suite: 'pqxdh+spqr',
  keptHours: 24,
  keptFailedHours: 72,
  keptFileDays: 30,
  ownFingerprint: 'ab'.repeat(32),
  lost: ['calls', 'groups'],
};
const { ownFingerprint: _, ...BEFORE_OPT_IN } = FACTS;
const texts = new Texts();

/** One change of each fact. */
const CHANGED: Readonly<Record<string, BoundaryFacts>> = {
  matrixEncrypted: { ...FACTS, matrixEncrypted: true },
  'operator.name': { ...FACTS, operator: { ...FACTS.operator, name: 'Another Org' } },
  'operator.contact': { ...FACTS, operator: { ...FACTS.operator, contact: 'https://example.org/help' } },
  'operator.mode': { ...FACTS, operator: { ...FACTS.operator, mode: 'own-endpoint' } },
  'network.id': { ...FACTS, network: { ...FACTS.network, id: 'other' } },
  'network.name': { ...FACTS, network: { ...FACTS.network, name: 'Other' } },
  suite: { ...FACTS, suite: 'another' as BoundaryFacts['suite'] },
  keptHours: { ...FACTS, keptHours: 48 },
  keptFailedHours: { ...FACTS, keptFailedHours: 1 },
  keptFileDays: { ...FACTS, keptFileDays: 7 },
  ownFingerprint: { ...FACTS, ownFingerprint: 'cd'.repeat(32) },
  'no ownFingerprint': BEFORE_OPT_IN,
  lost: { ...FACTS, lost: ['calls'] },
  'lost, in another order': { ...FACTS, lost: ['groups', 'calls'] },
};

describe('the hash of the facts', () => {
  it('is the same in every release that changes no fact', () => {
    assert.equal(boundarySha256(FACTS), 'ef12dffe03f4496c33fba69bd5cb22d1ea7db125a6168b88d78b6076f937630a');
    assert.equal(boundarySha256(structuredClone(FACTS)), boundarySha256(FACTS));
  });

  it('does not depend on the order in which the facts were written down', () => {
    const {
      lost,
      suite,
      keptHours,
      keptFailedHours,
      keptFileDays,
      network,
      operator,
      matrixEncrypted,
      ownFingerprint,
    } = FACTS;
    const turned: BoundaryFacts = {
      lost,
      suite,
      keptHours,
      keptFailedHours,
      keptFileDays,
      network,
      operator,
      matrixEncrypted,
      ...(ownFingerprint && { ownFingerprint }),
    };
    assert.equal(boundarySha256(turned), boundarySha256(FACTS));
  });

  for (const [fact, facts] of Object.entries(CHANGED)) {
    it(`changes with ${fact}`, () => assert.notEqual(boundarySha256(facts), boundarySha256(FACTS)));
  }

  it('differs between any two changes', () => {
    const all = Object.values(CHANGED).map(boundarySha256);
    assert.equal(new Set(all).size, all.length);
  });
});

describe('the faces of the facts', () => {
  it('the notice names contact, network and operator, says that the operator can read, and where to ask', () => {
    const notice = portalNotice(FACTS, 'Bob', texts);
    const [head, ...lines] = notice.split('\n');
    assert.equal(head, 'This room is a chat with Bob on Gatekeeper.');
    assert.deepEqual(lines, boundaryLines(FACTS, texts));
    assert.match(notice, /not end-to-end encrypted\. The operator of your homeserver can read them\./);
    assert.match(notice, /Example Org operates it and can read them while they pass\./);
    assert.match(notice, /Signal protocol/);
    assert.match(notice, /calls, groups/);
    assert.match(notice, /mailto:admin@example\.org/);
  });

  it('every fact that people can see changes the words', () => {
    const seen = [
      'matrixEncrypted',
      'operator.name',
      'operator.contact',
      'operator.mode',
      'network.name',
      'lost',
    ];
    for (const fact of seen) {
      const facts = CHANGED[fact];
      assert.ok(facts !== undefined);
      assert.notDeepEqual(boundaryLines(facts, texts), boundaryLines(FACTS, texts), fact);
    }
  });

  it('an encrypted room is never called readable for the homeserver', () => {
    const [first] = boundaryLines({ ...FACTS, matrixEncrypted: true }, texts);
    assert.equal(first, 'Between your Matrix client and this bridge, messages are end-to-end encrypted.');
  });

  it('where nothing is lost, nothing is said to be missing', () => {
    assert.ok(boundaryLines({ ...FACTS, lost: [] }, texts).every((line) => !/Missing/.test(line)));
  });

  it('the topic is one line that names network and operator', () => {
    const topic = portalTopic(FACTS, texts);
    assert.match(topic, /^[^\n]*Gatekeeper[^\n]*Example Org[^\n]*$/);
  });

  it('the state event says the same to programs, with the hash', () => {
    assert.deepEqual(boundaryState(FACTS), {
      version: 1,
      matrix_leg: { encryption: 'none' },
      bridge: {
        plaintext: 'in-memory',
        at_rest: 'sealed-until-delivered',
        at_rest_hours: 24,
        at_rest_failed_hours: 72,
        files_days: 30,
        operator: 'Example Org',
        contact: 'mailto:admin@example.org',
        mode: 'provider',
      },
      network_leg: {
        network: 'gk',
        protocol: 'signal',
        suite: 'pqxdh+spqr',
        own_identity_sha256: 'ab'.repeat(32),
      },
      lost: ['calls', 'groups'],
      facts_sha256: boundarySha256(FACTS),
    });
    const encrypted = boundaryState({ ...BEFORE_OPT_IN, matrixEncrypted: true });
    assert.deepEqual(encrypted.matrix_leg, { encryption: 'm.megolm.v1.aes-sha2' });
    assert.ok(!('own_identity_sha256' in (encrypted.network_leg as object)));
  });

  it('every fact changes the state event', () => {
    for (const [fact, facts] of Object.entries(CHANGED)) {
      const { facts_sha256: _hash, ...state } = boundaryState(facts);
      const { facts_sha256: _same, ...before } = boundaryState(FACTS);
      if (fact !== 'network.name') assert.notDeepEqual(state, before, fact);
    }
  });
});
