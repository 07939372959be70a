/**
 * Runs `work` while holding the lock `file`, which is removed afterwards. Waits for another holder without a limit and
 * takes over what a dead one left behind. Not reentrant.
 * @param file absolute path; its folder is made.
 * @param onWait called once if somebody else holds it.
 * @throws whatever `work` throws.
 */
export function withLock<T>(file: string, work: () => Promise<T>, onWait?: () => void): Promise<T>;
