import { ProtocolAddress } from '@signalapp/libsignal-client';
import type { ContactId, DeviceId } from '../model/ids.ts';
import type { AccountKey } from '../storage/storage.ts';

/** One of our devices. */
export interface SignalAccount extends AccountKey {
  /** Our own bare JID: the name in our Signal address. */
  readonly jid: ContactId;
  readonly device: DeviceId;
}

/** One device of a contact. */
export interface SignalAddress {
  readonly contact: ContactId;
  readonly device: DeviceId;
}

/** Interop profile §6: the Signal protocol address is the bare JID and the device id. */
export function protocolAddress(jid: ContactId, device: DeviceId): ProtocolAddress {
  return ProtocolAddress.new(jid, device);
}
