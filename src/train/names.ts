/** Names of the values the programs exchange with the crew; "#" keeps them apart from columns. */
export const names = {
  weight: "#weight",
  loss: "#loss",
  lossWeights: "#lossWeights",
  penalty: "#penalty",
  sum: (parameter: string) => `#sum:${parameter}`,
  into: (parameter: string) => `#into:${parameter}`,
  mean: (index: number) => `#mean:${index}`,
  variance: (index: number) => `#variance:${index}`,
  metric: (name: string, index: number) => `#metric:${name}:${index}`,
} as const;
