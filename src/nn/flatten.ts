/** From images to features: the op itself is the layer, `sequence(maxPool(2), flatten, linear(10))`. */
export { flatten } from "../ops/movement.ts";
