/// Whether what the kernels make of an image does not depend, bit for bit, on the images beside it.
///
/// Register tiles sum each row by itself, in one order. BLAS takes other kernels for the rows at
/// the edge of a product, and rounds them differently: there, the number of rows shows.
public let kernelsAreBatchInvariant =
  RegisterTiles.areUsed && NearestCodeForm.fastest != .product
