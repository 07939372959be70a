import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineErrors } from '../../../../src/model/errors.ts';
import { contactId, deviceId } from '../../../../src/model/ids.ts';
import { writeDevice } from '../../../../src/network/interop/device-xml.ts';
import { KeysClient } from '../../../../src/network/interop/keys.ts';
import { parseStanza, type Query, serialiseStanza } from '../../../../src/network/interop/stream/stream.ts';
import type { OneTimeKeys } from '../../../../src/network/network.ts';
import { kyberPrekey, prekey, sampleBundle, signedPrekey } from './samples.ts';

const bob = contactId('bob@gk.example');
const K = 'xmlns="urn:drawbridge:interop:keys:1"';

/** A stream on which each query gets the next answer: XML, nothing, or a failure. */
function clientWith(...answers: (string | undefined | Error)[]) {
  const asked: { to: string; type: string; xml: string }[] = [];
  const query = async ({ to, type, payload }: Query) => {
    asked.push({ to, type, xml: serialiseStanza(payload) });
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer === undefined ? undefined : parseStanza(`<iq>${answer}</iq>`).getChildElements()[0];
  };
  return { asked, keys: new KeysClient({ stream: { query }, domain: 'gk.example', device: deviceId(3) }) };
}

const device = (bundle = sampleBundle) => serialiseStanza(writeDevice(bundle));
const bundleOf = (inside: string, jid = bob as string) => `<bundle ${K} jid="${jid}">${inside}</bundle>`;
const streamErrors = defineErrors('stream', {
  queryRefused: { retry: 'never', arrived: 'yes', notice: 'x' },
  queryDeferred: { retry: 'later', arrived: 'yes', notice: 'x' },
  offline: { retry: 'later', arrived: 'no', notice: 'x' },
});

test('bundles are asked of the keys service, one for each device', async () => {
  const { prekey: _, ...withoutPrekey } = sampleBundle;
  const second = { ...withoutPrekey, device: deviceId(2) };
  const { keys, asked } = clientWith(bundleOf(device() + device(second)));
  assert.deepEqual(await keys.bundles(bob), [sampleBundle, second]);
  assert.deepEqual(asked, [
    { to: 'keys.gk.example', type: 'get', xml: `<bundle ${K} jid="bob@gk.example"/>` },
  ]);
});

const refused: readonly [rule: string, answer: string | undefined][] = [
  ['no answer', undefined],
  ['an answer of another kind', `<count ${K} device="3" prekeys="1" kyber="1"/>`],
  ['an answer of another namespace', `<bundle xmlns="urn:x" jid="bob@gk.example">${device()}</bundle>`],
  ['the bundle of somebody else (case 3.4)', bundleOf(device(), 'mallory@gk.example')],
  ['a device twice', bundleOf(device() + device())],
  ['device 0', bundleOf(device().replace('id="1"', 'id="0"'))],
  ['device 128', bundleOf(device().replace('id="1"', 'id="128"'))],
  ['a device number with a sign', bundleOf(device().replace('id="1"', 'id="+1"'))],
  ['no registration id', bundleOf(device().replace(' registration="12345"', ''))],
  ['a registration id of 15 bits', bundleOf(device().replace('"12345"', '"16384"'))],
  ['a key id above 2^31 - 1', bundleOf(device().replace('id="17"', 'id="2147483648"'))],
  ['two identities (case 3.2)', bundleOf(device().replace(/<identity>.*<\/identity>/, '$&$&'))],
  ['no identity (case 3.2)', bundleOf(device().replace(/<identity>.*<\/identity>/, ''))],
  ['no signed key (case 3.2)', bundleOf(device().replace(/<signed-prekey.*<\/signed-prekey>/, ''))],
  ['no Kyber key', bundleOf(device().replace(/<kyber.*<\/kyber>/, ''))],
  ['two one-time keys', bundleOf(device().replace(/<prekey.*<\/prekey>/, '$&$&'))],
  ['no signature', bundleOf(device().replace(/ sig="[^"]*"/, ''))],
  ['a short signature', bundleOf(device().replace(/ sig="[^"]*"/, ' sig="AAEC"'))],
  [
    'a key that is too short',
    bundleOf(device().replace(/<identity>.*<\/identity>/, '<identity>BQEC</identity>')),
  ],
  ['a key of another type', bundleOf(device().replace('<identity>B', '<identity>C'))],
  ['white space in a key', bundleOf(device().replace('<identity>', '<identity>\n'))],
];
for (const [rule, answer] of refused) {
  test(`a bundle is refused: ${rule}`, async () => {
    const { keys } = clientWith(answer);
    await assert.rejects(keys.bundles(bob), { code: 'network/badAnswer' });
  });
}

test('a contact without a device has no keys', async () => {
  const { keys } = clientWith(bundleOf(''));
  await assert.rejects(keys.bundles(bob), { code: 'network/noKeys' });
});

test('the errors of the keys service are ours, those of the stream stay', async () => {
  const cases = [
    [streamErrors.queryRefused({ condition: 'item-not-found' }), 'network/noKeys'],
    [streamErrors.queryDeferred({ condition: 'resource-constraint' }), 'network/rateLimited'],
    [streamErrors.queryRefused({ condition: 'bad-request' }), 'network/refused'],
    [streamErrors.queryRefused({ condition: 'forbidden' }), 'network/forbidden'],
    [streamErrors.queryDeferred({ condition: 'internal-server-error' }), 'network/unavailable'],
    [streamErrors.offline(), 'stream/offline'],
  ] as const;
  for (const [failure, code] of cases) {
    await assert.rejects(clientWith(failure).keys.bundles(bob), { code });
  }
});

const count = (prekeys: number, kyber: number) =>
  `<count ${K} device="3" prekeys="${prekeys}" kyber="${kyber}"/>`;
const range = (length: number) => Array.from({ length }, (_, index) => index + 1);

test('twenty keys of each kind go in one stanza', async () => {
  const { keys, asked } = clientWith(count(20, 20));
  const all = { prekeys: range(20).map(prekey), kyberPrekeys: range(20).map(kyberPrekey) };
  const confirmed: OneTimeKeys[] = [];
  const counts = await keys.uploadPrekeys(all, async (batch) => void confirmed.push(batch));
  assert.deepEqual(counts, { prekeys: 20, kyber: 20 });
  assert.deepEqual(confirmed, [all]);
  assert.equal(asked.length, 1);
  assert.equal(asked[0]?.to, 'keys.gk.example');
  assert.match(
    asked[0]?.xml ?? '',
    /^<prekeys xmlns="urn:drawbridge:interop:keys:1" device="3"><prekey id="1">/,
  );
});

test('a stanza of keys stays under 64 KiB, and each batch is confirmed before the next goes', async () => {
  const { keys, asked } = clientWith(
    count(100, 9),
    count(100, 34),
    count(100, 60),
    count(100, 85),
    count(100, 100),
  );
  const all = { prekeys: range(100).map(prekey), kyberPrekeys: range(100).map(kyberPrekey) };
  const confirmed: OneTimeKeys[] = [];
  const counts = await keys.uploadPrekeys(all, async (batch) => {
    confirmed.push(batch);
    assert.equal(asked.length, confirmed.length);
  });
  assert.ok(asked.length > 1);
  for (const { xml } of asked) assert.ok(Buffer.byteLength(xml) < 64_000, String(xml.length));
  assert.deepEqual(
    confirmed.flatMap((batch) => batch.prekeys),
    all.prekeys,
  );
  assert.deepEqual(
    confirmed.flatMap((batch) => batch.kyberPrekeys),
    all.kyberPrekeys,
  );
  assert.equal(counts.prekeys, 100);
});

test('a fault in a later batch leaves the earlier ones confirmed', async () => {
  const { keys } = clientWith(count(0, 26), streamErrors.offline());
  const confirmed: number[] = [];
  const all = { prekeys: [], kyberPrekeys: range(40).map(kyberPrekey) };
  const upload = keys.uploadPrekeys(all, async (batch) => void confirmed.push(batch.kyberPrekeys.length));
  await assert.rejects(upload, { code: 'stream/offline' });
  assert.equal(confirmed.length, 1);
});

test('with nothing to upload the service is asked for its count', async () => {
  const { keys, asked } = clientWith(count(12, 11));
  const counts = await keys.uploadPrekeys({ prekeys: [], kyberPrekeys: [] }, async () => assert.fail());
  assert.deepEqual(counts, { prekeys: 12, kyber: 11 });
  assert.deepEqual(asked, [{ to: 'keys.gk.example', type: 'get', xml: `<count ${K} device="3"/>` }]);
});

test('the signed keys are uploaded together', async () => {
  const { keys, asked } = clientWith(undefined);
  await keys.uploadSigned({ signedPrekey: signedPrekey(2), kyberLastResort: kyberPrekey(3) });
  assert.equal(asked[0]?.type, 'set');
  assert.match(
    asked[0]?.xml ?? '',
    /^<signed xmlns="[^"]*" device="3"><signed-prekey id="2" sig="[^"]{88}">[^<]{44}<\/signed-prekey><last-resort id="3" sig="[^"]{88}">[^<]{2092}<\/last-resort><\/signed>$/,
  );
});

test('a count is refused that is of another device or no number', async () => {
  for (const answer of [
    undefined,
    count(1, 1).replace('"3"', '"4"'),
    count(-1, 1),
    count(1, 1e7),
    `<x ${K}/>`,
  ]) {
    await assert.rejects(clientWith(answer).keys.count(), { code: 'network/badAnswer' }, answer);
  }
});
