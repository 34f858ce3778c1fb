import Autodiff
import Layers

/// What the tokens of a prior are.
public struct TokenSpace: Sendable, Equatable {
  /// Ids are below this.
  public var codes: Int
  /// Ids to a token.
  public var depth: Int
  /// Rows of tokens of an image.
  public var rows: Int
  /// Tokens of a row.
  public var columns: Int
  /// Classes of images.
  public var classes: Int

  /// A space of tokens.
  public init(codes: Int, depth: Int, rows: Int, columns: Int, classes: Int) {
    (self.codes, self.depth, self.rows) = (codes, depth, rows)
    (self.columns, self.classes) = (columns, classes)
  }

  /// Tokens of an image.
  public var tokens: Int { rows * columns }
  /// Ids of an image.
  public var ids: Int { tokens * depth }
  /// Entries of the vocabulary: the ids of each depth, the classes, and "none".
  public var vocabulary: Int { codes * depth + classes + 1 }

  /// The entry that stands for an id.
  public func entry(ofID id: Int32, depth level: Int) -> Int32 { Int32(level * codes) + id }

  /// The entry that stands for a class, or for none.
  public func entry(ofClass index: Int?) -> Int32 { Int32(codes * depth + (index ?? classes)) }
}

/// An autoregressive model of an image's tokens: a transformer that predicts each from those before it.
///
///     p(image | class) = the product over places of p(id | class, ids before)
///
/// The class stands before the first token as a further entry of the vocabulary: ids of depth d begin at
/// `d K`, classes follow behind all ids, and "none" is last. Parameters are named and laid out as those of
/// `transformers`' `LlamaForCausalLM`, whose head has a column for each entry; here the columns of a depth
/// alone take part in its prediction, so that no probability goes to what cannot come.
///
/// Tokens of several ids are either flattened, each id a place, or a place each: then its embedding is
/// the sum of its ids', and id d is predicted from the normalized sum of the place's result and the
/// embeddings of the ids before it. Source of the latter: Lee et al., "Autoregressive image generation
/// using residual quantization", 2022, with a sum in place of their second transformer.
public struct Prior {
  /// What the tokens are.
  public let space: TokenSpace
  private let embedding: Embedding
  private let transformer: Transformer
  private let depthNorms: [RMSNorm]
  private let head: Tensor
  private let isFlattened: Bool

  /// Declares the parameters of a prior.
  public init(_ configuration: PriorConfiguration, _ space: TokenSpace, in scope: Scope) {
    self.space = space
    let shape = configuration.transformer
    let scope = scope.reducing(shape.compression)
    isFlattened = space.depth == 1 || configuration.depth == .flattened
    embedding = Embedding(space.vocabulary, shape.width, in: scope["model"]["embed_tokens"])
    transformer = Transformer(
      shape, rows: space.rows, columns: space.columns, copies: isFlattened ? space.depth : 1,
      in: scope["model"])
    depthNorms =
      isFlattened
      ? [] : (0..<space.depth).map { RMSNorm(shape.width, in: scope["depth_norms"][String($0)]) }
    head = scope["lm_head"].parameter(
      "weight", [1, 1, shape.width, space.vocabulary], .normal(deviation: 0.02), layout: .linear,
      decays: true)
  }

  /// Places of the sequence: the class, and all tokens or ids but the last.
  public var places: Int { isFlattened ? space.ids : space.tokens }

  /// Ids that come of a place.
  public var idsPerPlace: Int { isFlattened ? 1 : space.depth }

  // MARK: Whole sequences

  /// The negative log-likelihood of each id in nats, `[N, tokens, depth]`, in the order of the sequence.
  ///
  /// - Parameters:
  ///   - classes: an entry of the vocabulary an image, `[N]`.
  ///   - entries: an entry for each id, `[N, tokens, depth]`, in the order of the sequence.
  ///   - targets: the ids themselves, likewise; a negative one has the loss 0.
  ///   - keys: a dropout key an image, `[N]`; nil drops nothing.
  public func losses(
    classes: Tensor, entries: Tensor, targets: Tensor, dropout keys: Tensor? = nil
  ) -> Tensor {
    let (batch, depth) = (entries.shape[0], space.depth)
    let places = embedded(classes, entries)
    let known = transformer(places, dropout: keys)
    let rows = batch * space.tokens
    let (all, ids) = (entries.reshaped([rows, depth]), targets.reshaped([rows, depth]))
    // Of flattened ids, those of a depth are every depth-th place.
    let byDepth = known.reshaped([rows, known.shape.count / rows])
    let width = known.shape.channels
    let losses = (0..<depth).map { level -> Tensor in
      let own =
        isFlattened
        ? byDepth.channels(level * width..<(level + 1) * width)
        : depthNorms[level](
          (0..<level).reduce(byDepth) { sum, before in
            sum + embedding(all.slice(before..<before + 1, axis: 1).reshaped([rows]))
          })
      return crossEntropy(
        ofProduct: own, head, classes: columns(level),
        ids.slice(level..<level + 1, axis: 1).reshaped([rows])
      ).reshaped([rows, 1])
    }
    return Tensor.concatenating(losses, axis: 1).reshaped(entries.shape)
  }

  /// The vectors of a sequence's places: of the class, then of all tokens or ids but the last.
  private func embedded(_ classes: Tensor, _ entries: Tensor) -> Tensor {
    let batch = entries.shape[0]
    let first = classes.reshaped([batch, 1])
    guard places > 1 else { return embedding(first) }
    if isFlattened {
      let before = entries.reshaped([batch, places]).slice(0..<places - 1, axis: 1)
      return embedding(Tensor.concatenating([first, before], axis: 1))
    }
    let before = embedding(entries.slice(0..<places - 1, axis: 1)).sum(axis: 2)
    return Tensor.concatenating([embedding(first), before], axis: 1)
  }

  /// The columns of the head that are the ids of a depth.
  private func columns(_ level: Int) -> Range<Int> {
    level * space.codes..<(level + 1) * space.codes
  }

  // MARK: Place by place

  /// What a place knows, `[N, C]`, where those before it were computed by earlier replays.
  ///
  /// - Parameters:
  ///   - entries: the entries of the vocabulary that the place stands for, `[N, idsPerPlace]`.
  ///   - weights: 1 for each entry that is there, `[N, 1, idsPerPlace]`: the class is but one.
  ///   - position: the place, one index.
  public func next(entries: Tensor, weights: Tensor, position: Tensor) -> Tensor {
    let batch = entries.shape[0]
    let vectors = embedding(entries)
    let sum =
      isFlattened
      ? vectors : matrixProduct(weights, vectors)
    return transformer.next(sum.reshaped([batch, vectors.shape.channels]), position: position)
  }

  /// The logits of the ids of a depth, `[N, codes]`.
  ///
  /// - Parameters:
  ///   - known: what the place knows, `[N, C]`.
  ///   - before: the entries of the place's ids of smaller depth, `[N, level]`; nil where each id is a
  ///     place, or at depth 0.
  public func logits(_ known: Tensor, before: Tensor?, level: Int) -> Tensor {
    var known = known
    if !isFlattened {
      if let before {
        for index in 0..<level {
          known =
            known + embedding(before.slice(index..<index + 1, axis: 1).reshaped([before.shape[0]]))
        }
      }
      known = depthNorms[level](known)
    }
    return known.fewRows(times: head.channels(columns(level)))
  }
}
