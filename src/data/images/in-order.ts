/** Work on several things at once, whose results come in the order of the things. */

/**
 * The results of `work` for each item, in order, with at most `limit` of them under way. When the reader stops early, or one
 * fails, no further work begins and what is under way is waited for.
 */
export async function* inOrder<Item, Result>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void> {
  const underWay: Promise<Result>[] = [];
  let next = 0;
  try {
    while (next < items.length || underWay.length > 0) {
      while (next < items.length && underWay.length < limit) {
        const working = work(items[next++]!);
        working.catch(() => {}); // it is awaited in its turn, and must not end the process before
        underWay.push(working);
      }
      yield await underWay.shift()!;
    }
  } finally {
    await Promise.allSettled(underWay);
  }
}
