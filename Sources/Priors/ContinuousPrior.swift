import Autodiff
import Layers

/// What the vectors of a continuous prior are.
public struct VectorGrid: Sendable, Equatable, Hashable {
  /// Rows of vectors of an image.
  public var rows: Int
  /// Vectors of a row.
  public var columns: Int
  /// Numbers of a vector.
  public var numbers: Int
  /// Classes of images.
  public var classes: Int

  /// A grid of vectors.
  public init(rows: Int, columns: Int, numbers: Int, classes: Int) {
    (self.rows, self.columns, self.numbers, self.classes) = (rows, columns, numbers, classes)
  }

  /// Vectors of an image.
  public var vectors: Int { rows * columns }
  /// Numbers of an image.
  public var count: Int { vectors * numbers }

  /// The entry of the class table for a class, or for none.
  public func entry(ofClass index: Int?) -> Int32 { Int32(index ?? classes) }
}

/// An autoregressive model of an image's vectors: a transformer that knows those before each, and a head
/// that models the distribution of the next.
///
///     p(image | class) = the product over places of p(x | z),    z = transformer(class, vectors before)
///
/// Vectors are numbers of standard deviation 1/2: patches of pixels, or latents of an autoencoder. With a
/// diffusion head p is that of a small diffusion model; with a gaussian head it is normal about a
/// prediction, whose error is squared: then an image that is drawn has that noise in it. Sources: Li et al.,
/// "Autoregressive image generation without vector quantization", 2024; Li et al., "Diffusion-based
/// autoregressive modelling", 2024.
public struct ContinuousPrior {
  /// What the vectors are.
  public let grid: VectorGrid
  private let classTable: Embedding
  private let input: Linear
  private let transformer: Transformer
  private let head: Head

  private enum Head {
    case diffusion(DiffusionHead, levels: Int)
    case gaussian(Linear, logDeviation: Tensor)
  }

  /// Declares the parameters of a prior.
  public init(_ configuration: ContinuousConfiguration, _ grid: VectorGrid, in scope: Scope) {
    self.grid = grid
    let shape = configuration.transformer
    let scope = scope.reducing(shape.compression)
    classTable = Embedding(grid.classes + 1, shape.width, in: scope["class_embedding"])
    input = Linear(
      grid.numbers, shape.width, start: .normal(deviation: 0.02), in: scope["vector_input"])
    transformer = Transformer(shape, rows: grid.rows, columns: grid.columns, in: scope["model"])
    switch configuration.head {
    case .diffusion(let head):
      self.head = .diffusion(
        DiffusionHead(head, numbers: grid.numbers, known: shape.width, in: scope["head"]),
        levels: head.levels)
    case .gaussian:
      self.head = .gaussian(
        Linear(
          shape.width, grid.numbers, start: .normal(deviation: 0.02), in: scope["head"]["mean"]),
        logDeviation: scope["head"].parameter(
          "log_deviation", [grid.numbers], .constant(-0.693_147)))
    }
  }

  // MARK: Whole sequences

  /// What the transformer knows of each vector before it comes, `[N, vectors, W]`.
  ///
  /// - Parameters:
  ///   - classes: an entry of the class table an image, `[N]`.
  ///   - vectors: in the order of the sequence, `[N, vectors, numbers]`.
  ///   - keys: a dropout key an image, `[N]`; nil drops nothing.
  public func known(classes: Tensor, vectors: Tensor, dropout keys: Tensor? = nil) -> Tensor {
    let batch = vectors.shape[0]
    let first = classTable(classes.reshaped([batch, 1]))
    guard grid.vectors > 1 else { return transformer(first, dropout: keys) }
    let before = input(vectors.slice(0..<grid.vectors - 1, axis: 1))
    return transformer(.concatenating([first, before], axis: 1), dropout: keys)
  }

  /// What is minimized of vectors, a scalar, and what else is measured.
  ///
  /// - Parameters:
  ///   - noiseKeys: a key an image for the noise of a diffusion head, `[N]`.
  public func losses(
    classes: Tensor, vectors: Tensor, noiseKeys: Tensor, dropout keys: Tensor? = nil
  ) -> ContinuousLosses {
    let rows = vectors.shape[0] * grid.vectors
    let z = known(classes: classes, vectors: vectors, dropout: keys)
    let (known, x) = (
      z.reshaped([rows, z.shape.channels]), vectors.reshaped([rows, grid.numbers])
    )
    switch head {
    case .diffusion(let head, let levels):
      let n = vectors.shape[0]
      let noise = x.graph.normalNoise(
        [n, grid.vectors, levels, grid.numbers], site: 1, keys: noiseKeys)
      let levelNoise = x.graph.normalNoise([n, grid.vectors, levels], site: 2, keys: noiseKeys)
      let loss = head.loss(
        known: known, x, noise: noise.reshaped([rows, levels, grid.numbers]),
        levelNoise: levelNoise.reshaped([rows, levels]))
      return ContinuousLosses(loss: loss, squaredError: nil, nats: nil)
    case .gaussian(let mean, let logDeviation):
      let predicted = mean(known)
      let squaredError = meanSquaredError(predicted, x)
      // The deviation learns from errors that it does not change.
      let nats = Self.nats(
        predicted.stoppingGradient() - x, logDeviation.broadcast(to: x.shape)
      ).mean()
      return ContinuousLosses(loss: squaredError + nats, squaredError: squaredError, nats: nats)
    }
  }

  /// -log of the normal density of errors: `e^2 / (2 s^2) + log s + log(2 pi) / 2`, `l = log s`.
  private static func nats(_ error: Tensor, _ logDeviation: Tensor) -> Tensor {
    .elementwise("normal density", error, logDeviation) {
      0.5 * $0[0] * $0[0] * exp(-2 * $0[1]) + $0[1] + 0.918_938_53
    }
  }

  // MARK: Place by place

  /// What a place knows, `[N, W]`, where those before it were computed by earlier replays.
  ///
  /// - Parameters:
  ///   - classes: an entry of the class table a row, `[N]`.
  ///   - vectors: the vectors before the place, `[N, numbers]`.
  ///   - weights: 1 and 0 at the first place, 0 and 1 at all others, `[N, 2]`: class or vector.
  ///   - position: the place, one index.
  public func next(
    classes: Tensor, vectors: Tensor, weights: Tensor, position: Tensor
  ) -> Tensor {
    let (first, later) = (classTable(classes), input.applied(toFewRows: vectors))
    let width = first.shape.channels
    func weight(_ index: Int) -> Tensor {
      weights.slice(index..<index + 1, axis: 1).reshaped([weights.shape[0]]).repeated(width, at: 1)
    }
    let x = Tensor.elementwise("choice", first, weight(0), later, weight(1)) {
      $0[0] * $0[1] + $0[2] * $0[3]
    }
    return transformer.next(x, position: position)
  }

  /// What a diffusion head sees of what places know, `[N, W]` to `[N, C]`.
  ///
  /// - Parameter isFew: whether rows are few; then there is no gradient.
  public func condition(_ known: Tensor, isFew: Bool) -> Tensor {
    guard case .diffusion(let head, _) = head else { return known }
    return head.condition(known, isFew: isFew)
  }

  /// What a diffusion head of `C` channels sees of noise levels, given their logarithms: `[N]` to `[N, C]`.
  ///
  /// - Parameter isFew: whether rows are few; then there is no gradient.
  public func embedding(ofLogLevels logLevels: Tensor, isFew: Bool) -> Tensor {
    guard case .diffusion(let head, _) = head else {
      return logLevels.graph.refuse("noise levels are of a diffusion head", like: logLevels)
    }
    return head.embedding(ofLogLevels: logLevels, isFew: isFew)
  }

  /// The velocity of a diffusion head at states `[N, numbers]`; see ``DiffusionHead``.
  ///
  /// - Parameter given: the embedding of the noise levels, where it was computed before.
  public func velocity(
    _ states: Tensor, logLevels: Tensor, embedding given: Tensor? = nil, condition: Tensor,
    isFew: Bool
  ) -> Tensor {
    guard case .diffusion(let head, _) = head else {
      return states.graph.refuse("a velocity is of a diffusion head", like: states)
    }
    return head.velocity(states, logLevels, embedding: given, condition: condition, isFew: isFew)
  }

  /// The mean and the standard deviations of a gaussian head, both `[N, numbers]`.
  public func normal(_ known: Tensor) -> (mean: Tensor, deviation: Tensor) {
    guard case .gaussian(let mean, let logDeviation) = head else {
      let none = known.graph.refuse("a normal distribution is of a gaussian head", like: known)
      return (none, none)
    }
    let predicted = mean.applied(toFewRows: known)
    return (predicted, exp(logDeviation).broadcast(to: predicted.shape))
  }
}

/// What a continuous prior makes of vectors.
public struct ContinuousLosses {
  /// What is minimized: a scalar.
  public let loss: Tensor
  /// The mean squared error of a gaussian head's prediction.
  public let squaredError: Tensor?
  /// The mean negative logarithm of a gaussian head's density, in nats a number.
  public let nats: Tensor?
}
