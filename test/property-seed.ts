/**
 * Property tests of `npm run check` try the same values each time, so that what passed here passes elsewhere. Other values
 * are for `npm run fuzz`, for a test file that is run by itself, and for `PROPERTY_SEED=n npm run check`.
 */
import fc from 'fast-check';

const seed = Number(process.env.PROPERTY_SEED ?? 20_261_122);
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
