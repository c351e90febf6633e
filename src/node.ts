/** The public door to what needs Node.js: files, tables, threads. */
export {};
