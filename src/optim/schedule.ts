/** CONTRACT of a schedule: the learning rate as a function of the step. Plain numbers, so that any step can be resumed. */

/** The learning rate of step `step`, which is 0 for the first update. */
export type Schedule = (step: number) => number;
