/** The public door of the core: no Node built-ins behind it, so that it bundles for a browser. */
export {};
