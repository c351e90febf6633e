/** Every update rule. A new one is one more line here, which makes the contract suite ask for its PyTorch numbers. */
export { type AdagradOptions, adagrad } from "./adagrad.ts";
export { type AdamOptions, adam } from "./adam.ts";
export { adamw } from "./adamw.ts";
export { type LionOptions, lion } from "./lion.ts";
export { type RmspropOptions, rmsprop } from "./rmsprop.ts";
export { type SgdOptions, sgd } from "./sgd.ts";
