/// Why vectors cannot be learned, or a continuous prior not be used.
public enum VectorError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A patch that does not divide what is cut.
  case patch(Int, height: Int, width: Int)
  /// Files of two autoencoders.
  case otherAutoencoder(path: String, other: String)
  /// Files with other lists of classes.
  case otherClasses(path: String, other: String)
  /// Files of other grids.
  case otherGrid(path: String, other: String)
  /// No image is left to evaluate with.
  case oneImage(path: String)
  /// A run is resumed with other images.
  case otherImages(folder: String)
  /// A number that is not finite.
  case notFinite(path: String, image: String)
  /// The latents are not those that a prior has learned.
  case foreignPrior(folder: String, found: String, expected: String)
  /// A solver of another checkpoint.
  case otherCheckpoint(folder: String, checkpoint: String)
  /// A solver of another number of steps.
  case otherSteps(folder: String, trained: Int, wanted: Int)
  /// A solver of another first step or schedule.
  case otherSchedule(folder: String, trained: String, wanted: String)
  /// A prior whose head is no diffusion model.
  case noDiffusion(folder: String)

  /// The file, what was expected, what was found, the way out.
  public var description: String {
    switch self {
    case .patch(let patch, let height, let width):
      return
        "data.patch: expected a side that divides \(height) x \(width), found \(patch). Choose "
        + "another side."
    case .otherAutoencoder(let path, let other):
      return
        "\(path) and \(other) were written by two autoencoders: a prior learns the latents of one. "
        + "Encode the images of both with one checkpoint."
    case .otherClasses(let path, let other):
      return
        "\(path) and \(other) have different lists of classes. Encode the images of both in one go, "
        + "or with --no-labels."
    case .otherGrid(let path, let other):
      return
        "\(path) and \(other) hold latents of different sizes. Encode the images of both at one size."
    case .oneImage(let path):
      return
        "\(path): expected at least two images, one of them to evaluate with, found one. Encode more "
        + "images, or name others by --validation."
    case .otherImages(let folder):
      return
        "\(folder) was started with other images. Name those that it was started with by --data, or "
        + "start a new run with another --output."
    case .notFinite(let path, let image):
      return
        "\(path): the latents of \(image) hold a number that is not finite. Encode it again, or train "
        + "the autoencoder with a lower learning rate."
    case .foreignPrior(let folder, let found, let expected):
      return
        "\(folder) has learned the latents of autoencoder \(expected), not those of \(found). Name "
        + "the autoencoder whose latents it was trained on."
    case .otherCheckpoint(let folder, let checkpoint):
      return
        "\(folder) was trained for another checkpoint than \(checkpoint), or for weights that it had "
        + "before. Train the solver again: train --config configs/solver.json --from \(checkpoint)"
    case .otherSteps(let folder, let trained, let wanted):
      return
        "\(folder) was trained for \(trained) steps, not for \(wanted). Use --steps \(trained), or train "
        + "another with --set solver.steps=\(wanted)."
    case .otherSchedule(let folder, let trained, let wanted):
      return
        "\(folder) was trained for \(trained), not for \(wanted). Leave those options to the solver, or "
        + "train another."
    case .noDiffusion(let folder):
      return
        "\(folder) has a gaussian head: there is nothing to solve. Name a prior with a diffusion head."
    }
  }
}
