// @ts-check
/** Stands where the server process does, and ends as one that Node ends: with words. */
process.stderr.write('<--- Last few GCs --->\nFATAL ERROR\n');
process.exitCode = 7;
