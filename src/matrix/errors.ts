import { defineErrors } from '../model/errors.ts';

/**
 * Failures of the Matrix side. Facts: `request` (method and path template), `status`, `errcode`, `cause` (a code of the
 * operating system or TLS), `retryAfterMs`; never a body, a token or an alias of a person.
 */
export const matrixErrors = defineErrors('matrix', {
  /** No connection came about: refused, no such host, certificate not accepted. */
  homeserverUnreachable: { retry: 'later', arrived: 'no', notice: 'homeserver-unreachable' },
  /** The request was sent, and no whole answer came: deadline, connection lost, or we stopped. */
  answerLost: { retry: 'later', arrived: 'unknown', notice: 'homeserver-unreachable' },
  /** 5xx, or a limit of the whole homeserver: its own trouble. */
  homeserverFailed: { retry: 'later', arrived: 'unknown', notice: 'homeserver-unreachable' },
  /** The answer is not Matrix: a proxy's page, too large, or lacks what the specification promises. */
  badAnswer: { retry: 'later', arrived: 'unknown', notice: 'homeserver-unreachable' },
  /** `retryAfterMs`: what the homeserver asks for, at most an hour; absent when it did not say. */
  rateLimited: { retry: 'later', arrived: 'no', notice: 'homeserver-busy' },
  /** The homeserver does not know our as_token. Later, because only the operator can mend it and nothing may be lost meanwhile. */
  badToken: { retry: 'later', arrived: 'no', notice: 'homeserver-unreachable' },
  /** The token belongs to another appservice: `expected` and `found` are the bots. */
  wrongUser: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** The homeserver’s rules forbid it to the bot or the ghost. */
  forbidden: { retry: 'never', arrived: 'no', notice: 'homeserver-refused' },
  /** The room, event, alias or user does not exist there. */
  notFound: { retry: 'never', arrived: 'no', notice: 'homeserver-refused' },
  /** An event over the homeserver’s limit of 64 KiB. */
  tooLarge: { retry: 'never', arrived: 'no', notice: 'message-too-large' },
  /** A file over what the caller allows, or over the homeserver’s `m.upload.size`. */
  fileTooLarge: { retry: 'never', arrived: 'no', notice: 'media-too-large' },
  /** A file that turned out longer or shorter than was said when its upload began. */
  badUpload: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** The homeserver does not have this endpoint. */
  unrecognized: { retry: 'never', arrived: 'no', notice: 'homeserver-refused' },
  /** The name of a user is taken by somebody else. */
  userInUse: { retry: 'never', arrived: 'no', notice: 'homeserver-refused' },
  /** The alias is another room's, still after an attempt to clear it: somebody makes it at the same time. */
  roomInUse: { retry: 'later', arrived: 'no', notice: 'homeserver-refused' },
  /** The device through which we act was deleted; it is made anew. */
  unknownDevice: { retry: 'later', arrived: 'no', notice: 'homeserver-refused' },
  /** Any other 4xx. */
  refused: { retry: 'never', arrived: 'no', notice: 'homeserver-refused' },
  /** The homeserver does not reach us at the address in the registration (MSC2659). */
  pingFailed: { retry: 'later', arrived: 'no', notice: 'internal' },
  /** A contact whose ghost would have a user id of more than 255 bytes. */
  contactTooLong: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** An event that a transaction carried and that is not what the specification promises. */
  badEvent: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** A transaction whose body is not a transaction at all. */
  badTransaction: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** A transaction above `maxBodyBytes`. The homeserver repeats it until the limit is raised. */
  transactionTooLarge: { retry: 'later', arrived: 'no', notice: 'internal' },
});
