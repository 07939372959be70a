/** Values that the tests of this folder share: a clock that stands still, an account, keys of the right form. */
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { Clock } from '../../../../src/model/ambient.ts';
import { accountId, contactId, deviceId, matrixUserId } from '../../../../src/model/ids.ts';
import type {
  PrekeyBundle,
  PublicDevice,
  PublicPrekey,
  SignedPublicPrekey,
} from '../../../../src/model/prekeys.ts';
import type { EnlistedAccount } from '../../../../src/network/network.ts';

/** 2026-03-20T09:46:40Z */
export const NOW_MS = 1_774_000_000_000;

/** Time passes only by `advance`, but sleeping takes real time: deadlines are about real servers. */
export class StandingClock implements Clock {
  #nowMs = NOW_MS;

  nowMs(): number {
    return this.#nowMs;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await sleepFor(ms, undefined, signal === undefined ? {} : { signal });
  }
}

export const sampleAccount: EnlistedAccount = {
  accountId: accountId('11111111-2222-3333-4444-555555555555'),
  user: matrixUserId('@alice:example.org'),
  interopId: 'alice-1',
  jid: contactId('alice-1@gk.example'),
  device: deviceId(3),
  host: '127.0.0.1',
  port: 5223,
  signalIdentity: ecKey(1),
};

export function ecKey(fill: number): Uint8Array {
  return filled(33, 0x05, fill);
}

export function kyberKey(fill: number): Uint8Array {
  return filled(1569, 0x08, fill);
}

export function prekey(id: number): PublicPrekey {
  return { id, key: ecKey(id) };
}

export function signedPrekey(id: number): SignedPublicPrekey {
  return { id, key: ecKey(id), signature: new Uint8Array(64).fill(id) };
}

export function kyberPrekey(id: number): SignedPublicPrekey {
  return { id, key: kyberKey(id), signature: new Uint8Array(64).fill(id) };
}

export const sampleBundle: PrekeyBundle = {
  device: deviceId(1),
  registrationId: 12_345,
  identityKey: ecKey(7),
  signedPrekey: signedPrekey(2),
  prekey: prekey(17),
  kyberPrekey: kyberPrekey(9),
};

export const sampleDevice: PublicDevice = {
  registrationId: 16_380,
  identityKey: ecKey(1),
  signedPrekey: signedPrekey(1),
  kyberLastResort: kyberPrekey(1),
  prekeys: [prekey(1), prekey(2)],
  kyberPrekeys: [kyberPrekey(2)],
};

function filled(length: number, type: number, fill: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(fill);
  bytes[0] = type;
  return bytes;
}
