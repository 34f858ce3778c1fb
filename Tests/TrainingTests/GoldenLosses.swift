/// The losses of ten steps of `SmallRun`'s two configurations, as this engine computed them.
///
/// They follow from every part of a run: the pictures, their order and crops, the first weights,
/// all operations and their gradients, the optimizers. A change of theirs is a change of results.
enum GoldenLosses {
  static let fsq = [
    0.3909322, 0.4035754, 0.2639357, 0.2547238, 0.1467454, 0.1670192, 0.2127256, 0.1109997,
    0.1415469, 0.1723852,
  ]
  static let vq = [
    0.4946861, 0.4978631, 0.4531640, 0.4026186, 0.3102767, 0.3012695, 0.3568110, 0.2634252,
    0.2550079, 0.3416562,
  ]
}
