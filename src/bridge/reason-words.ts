import type { Account, FateArguments } from '../storage/storage.ts';
import type { BridgeParts } from './parts.ts';

/**
 * Why a message failed, in words. `reason`: the id of a text; one that this release does not know is an internal failure.
 * @param account whose message it is; `undefined` when it is gone.
 */
export function reasonWords(
  { texts, networks }: Pick<BridgeParts, 'texts' | 'networks'>,
  account: Pick<Account, 'network' | 'user'> | undefined,
  why: Readonly<{ reason: string | undefined; args: FateArguments; errorCode?: string | undefined }>,
): string {
  const id = why.reason !== undefined && texts.has(why.reason) ? why.reason : 'reason-internal';
  const network = account && networks.get(account.network)?.adapter.displayName;
  return texts.say(id, {
    network: network ?? account?.network ?? '',
    code: why.errorCode ?? '',
    owner: account?.user ?? '',
    ...why.args,
  });
}
