/** Names of the values the programs exchange with the crew; "#" keeps them apart from columns. */
export const names = {
  weight: "#weight",
  loss: "#loss",
  lossWeights: "#lossWeights",
  penalty: "#penalty",
  sum: (parameter: string) => `#sum:${parameter}`,
  into: (parameter: string) => `#into:${parameter}`,
  metric: (name: string, index: number) => `#metric:${name}:${index}`,
} as const;
