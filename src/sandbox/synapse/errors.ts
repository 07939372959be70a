import { defineErrors } from '../../model/errors.ts';

/** Facts: `status`, `errcode` (Matrix's), `user`. */
export const synapseErrors = defineErrors('synapse', {
  /** Synapse would not register the user. */
  refused: { retry: 'never', arrived: 'no', notice: 'internal' },
});
