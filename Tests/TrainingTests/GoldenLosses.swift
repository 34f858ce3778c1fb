/// The losses of ten steps of `SmallRun`'s two configurations, as this engine computed them.
///
/// They follow from every part of a run: the pictures, their order and crops, the first weights,
/// all operations and their gradients, the optimizers. A change of theirs is a change of results;
/// one that is meant (another start of the weights, say) is written here from the failing test,
/// which prints what it found.
enum GoldenLosses {
  static let fsq = [
    0.5655042, 0.4570576, 0.3066676, 0.3120226, 0.2336606, 0.2203774, 0.2448017, 0.1618253,
    0.1877610, 0.1724289,
  ]
  static let vq = [
    0.9465385, 0.9161258, 0.7604176, 0.6661713, 0.5258076, 0.4493842, 0.5252545, 0.3883011,
    0.3715765, 0.4577670,
  ]
}
