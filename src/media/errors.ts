import { defineErrors } from '../model/errors.ts';

/** Failures of files. Facts: ids, hosts, sizes, `status`, `why`; never a URL, a key or a name that a person gave. */
export const mediaErrors = defineErrors('media', {
  /** More bytes than the limit: told beforehand, or counted while they came. */
  tooLarge: { retry: 'never', arrived: 'no', notice: 'media-too-large' },
  /** What is hosted for the account, or for all, would grow over its quota (`of`: account, all). Later, since files expire. */
  quotaReached: { retry: 'later', arrived: 'no', notice: 'media-quota' },
  /** Digest, MAC or length are not those that the sender told: damaged, exchanged, or a lie. */
  damaged: { retry: 'never', arrived: 'no', notice: 'media-damaged' },
  /** The description of an encrypted file is not what the specification or the profile says. */
  malformed: { retry: 'never', arrived: 'no', notice: 'media-damaged' },
  /** The URL is none of the network’s media hosts, or leads to an address that is not public. */
  notAllowed: { retry: 'never', arrived: 'no', notice: 'media-not-allowed' },
  /** The host does not have the file, or ours has expired. */
  gone: { retry: 'never', arrived: 'no', notice: 'media-gone' },
  /** The host or the store refused the request for good, or the folder cannot be used. */
  refused: { retry: 'never', arrived: 'no', notice: 'media-unavailable' },
  /** The host or the store cannot be reached, does not answer as it should, or broke off. */
  unavailable: { retry: 'later', arrived: 'no', notice: 'media-unavailable' },
  /** The host sends slower than the least rate, or nothing. */
  tooSlow: { retry: 'later', arrived: 'no', notice: 'media-unavailable' },
});
