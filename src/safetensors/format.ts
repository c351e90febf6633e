/** What the reader and the writer of safetensors files both know. */

/** The header's entry that is no tensor: texts by name. */
export const metadataKey = "__metadata__";
