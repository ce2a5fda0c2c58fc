// Contexts of the engine that guest code changes between by itself, by their indices (contexts.ts makes them).

/** Of loads and stores: supervisor's; the same kept out of user pages by SMAP; user's; user's that have to be aligned. */
export const DATA_CONTEXT = { supervisor: 0, barred: 1, user: 2, checked: 3 } as const;

/** Of code. */
export const CODE_CONTEXT = { supervisor: 0, user: 1 } as const;
