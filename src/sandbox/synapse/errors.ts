import { defineErrors } from '../../model/errors.ts';

/** `refused`: Synapse would not register the user. Facts: `status`, `errcode` (Matrix's), `user`. */
export const synapseErrors = defineErrors('synapse', {
  refused: { retry: 'never', arrived: 'no', notice: 'internal' },
});
